"""Writes records as tables of text."""
