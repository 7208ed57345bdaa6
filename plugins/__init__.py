"""Brings the encoders and audio targets that ship with the suite."""
