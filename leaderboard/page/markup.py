"""Fills the templates of pages; all text is escaped, and only scripts run whose hash the page's policy names."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

ROOM = Path(__file__).resolve().parent
STATIC = ROOM / "static"
#: characters that could end a script element or start markup inside it
_UNSAFE_IN_SCRIPT = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@lru_cache
def environment() -> Environment:
    """Return the template environment; an unknown name in a template is an error."""
    made = Environment(
        loader=FileSystemLoader(ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(script=script, policy=policy)
    return made


def render(template: str, **context: Any) -> str:
    """Fill a template."""
    return environment().get_template(template).render(**context)


@lru_cache
def script(name: str) -> Markup:
    """Return a script of ours for the inside of a script element."""
    return Markup((STATIC / name).read_text(encoding="utf8"))


@lru_cache
def policy(*scripts: str) -> str:
    """Return the content security policy of a page that holds these scripts: it allows nothing else.

    ``file:`` stands beside ``'self'`` because browsers disagree on what a page on disk may call itself; a page that
    came over the network cannot load such addresses.
    """
    hashes = " ".join(f"'sha256-{_sha256(script(name))}'" for name in scripts)
    own = "'self' file:"
    return (
        f"default-src 'none'; script-src {hashes}; style-src {own}; img-src {own}; media-src {own}; "
        "base-uri 'none'; form-action 'none'"
    )


def script_json(value: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for unsafe, escaped in _UNSAFE_IN_SCRIPT.items():
        text = text.replace(unsafe, escaped)
    return Markup(text)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
