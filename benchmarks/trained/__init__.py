"""Keeps what a cell trained, and uses it on recordings."""
