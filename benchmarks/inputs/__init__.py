"""Gathers what stages read: batches, target frames, word windows and controls."""
