"""Keeps the results of stages on disk, under keys that say what decided them."""
