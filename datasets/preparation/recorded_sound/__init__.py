"""Finds the sound itself in what should be EEG."""
