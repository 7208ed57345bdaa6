"""Holds the audio targets: one file each."""
