"""Draws small pictures of characters in the terminal."""
