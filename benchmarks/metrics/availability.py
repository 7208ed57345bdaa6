"""Whether what a metric needs beyond the suite's own dependencies is there, and what to type where it is not."""

from __future__ import annotations

from importlib.util import find_spec


def missing(packages: tuple[str, ...], install: str) -> str | None:
    """Say which importable packages are not installed, and how to get them; None if all are."""
    absent = [name for name in packages if find_spec(name) is None]
    return f"package {', '.join(absent)} is not installed; type: {install}" if absent else None
