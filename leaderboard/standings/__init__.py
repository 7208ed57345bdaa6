"""Ranks encoders: who competes with whom, and which differences are real."""
