"""Computes the stages of a cell, one per file; each writes its results into a folder of its own."""
