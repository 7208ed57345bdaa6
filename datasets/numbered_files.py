"""Finds files by the number in their name."""

from __future__ import annotations

import re
from pathlib import Path

from eeg2speech_bench.core.stages.file_hashes import files_below


def numbered_files(root: Path, pattern: re.Pattern[str]) -> tuple[dict[int, Path], int]:
    """Return the files below a folder whose names a pattern matches, by its first group, and in how many folders.

    The files are in the order of their numbers.
    """
    named = {path: pattern.fullmatch(path.name) for path in files_below(root)}
    found = {int(match[1]): path for path, match in sorted(named.items()) if match}
    n_folders = len({path.parent for path, match in named.items() if match})
    return {number: found[number] for number in sorted(found)}, n_folders
