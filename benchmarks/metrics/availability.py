"""Says which packages a metric lacks, and what to type to get them."""

from __future__ import annotations

from importlib.util import find_spec


def why_unavailable(packages: tuple[str, ...], install: str) -> str | None:
    """Say which packages are not installed, and how to get them; None if all are."""
    absent = [name for name in packages if find_spec(name) is None]
    return f"package {', '.join(absent)} is not installed; type: {install}" if absent else None
