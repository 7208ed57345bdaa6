"""Simulates listeners and writes their recordings as a BIDS data set."""
