"""Runs the command line and prints progress."""
