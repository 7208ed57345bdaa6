"""Holds the conditioning encoders: one file each, or one folder for a family."""
