"""Builds the board as a static folder of pages, which opens from disk and from any static host."""
