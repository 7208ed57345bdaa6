"""Reads, measures and compares the sounds that listeners heard."""
