"""Encoders and audio targets that ship with the suite."""
