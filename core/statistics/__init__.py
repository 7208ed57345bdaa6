"""Computes intervals and tests; knows nothing of EEG."""
