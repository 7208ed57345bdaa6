"""Recordings and stimuli become segments on disk."""
