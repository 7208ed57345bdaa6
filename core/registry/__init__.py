"""Finds plugins, checks what they declare, and says what broke."""
