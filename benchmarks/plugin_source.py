"""Names and hashes the source of what a plugin declares."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from eeg2speech_bench.core.errors import BenchError
from eeg2speech_bench.core.specs import EncoderSpec, Spec
from eeg2speech_bench.core.stages.import_closure import Closure, code_behind, is_library
from eeg2speech_bench.core.stages.source_code import package_files, source_hash

#: what names code: ``package.module:attribute``
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def code_of_spec(spec: Spec) -> tuple[str, ...]:
    """Return the targets of all code that a declaration names."""
    named = (getattr(spec, field.name) for field in fields(spec))
    return tuple(value for value in named if isinstance(value, str) and TARGET.fullmatch(value))


def code_of_options(options: Mapping[str, Any]) -> Closure:
    """Return the code that options name as ``"package.module:attribute"``, such as an estimator.

    Of a library the version counts. What is not there is found missing when it is imported.
    """
    named = [value for value in options.values() if isinstance(value, str) and TARGET.fullmatch(value)]
    roots = {target: target.partition(":")[0].partition(".")[0] for target in named}
    libraries = {root for root in roots.values() if is_library(root)}
    found = code_behind(target for target in named if roots[target] not in libraries and package_files(roots[target]))
    return found.joined(Closure((), tuple(libraries)))


def source_hash_of(spec: Spec) -> str:
    """Return one hash of all source that a declaration names; a module that is gone has none."""
    return hash_of_code(code_of_spec(spec), spec.identity if isinstance(spec, EncoderSpec) else "")


def hash_of_code(targets: Iterable[str], identity: str = "") -> str:
    """Return one hash of all source behind ``"package.module:attribute"`` targets, and of an identity beside it."""
    try:
        hashes = [source_hash(module) for module in code_behind(targets).modules]
    except (BenchError, SyntaxError):
        return "unknown"
    return hashlib.sha256(" ".join([*hashes, identity]).strip().encode()).hexdigest()[:16]
