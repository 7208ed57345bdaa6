"""Presets: named, complete, versioned configurations."""
