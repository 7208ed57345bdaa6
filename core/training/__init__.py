"""Trains networks with Lightning and derives their seeds."""
