"""Takes from text what a terminal would obey."""

from __future__ import annotations


def harmless(text: str) -> str:
    """Return text without what moves or colours a terminal: it may quote a plugin, a file or a library."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)
