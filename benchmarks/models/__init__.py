"""Builds and loads the trained parts of a cell."""
