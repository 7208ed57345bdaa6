"""Tells sounds from the pictures, films and arrays that ``stim_file`` may also name."""

from __future__ import annotations

import mimetypes
from pathlib import Path, PurePosixPath

#: first bytes of files that are no sound, at their place in the file, whatever their name says
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (0, b"GIF8", "picture"),
    (0, b"BM", "picture"),
    (8, b"AVI ", "film"),
    (8, b"WEBP", "picture"),
    (4, b"ftypisom", "film"),
    (4, b"ftypmp4", "film"),
    (4, b"ftypqt", "film"),
    (4, b"moov", "film"),
    (0, b"\x1aE\xdf\xa3", "film"),
    (0, b"%PDF", "text"),
    (0, b"\x93NUMPY", "NumPy array"),
    (0, b"PK\x03\x04", "archive"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"\x89HDF", "array"),
    (0, b"MATLAB ", "array"),
)

#: endings that `mimetypes` does not know or does not tell apart
_ENDINGS = {
    ".npz.gz": "NumPy array",
    ".npy.gz": "NumPy array",
    ".npz": "NumPy array",
    ".npy": "NumPy array",
    ".mat": "array",
    ".h5": "array",
    ".hdf5": "array",
    ".mkv": "film",
    ".wmv": "film",
    ".textgrid": "text",
}

#: main part of a media type, and what messages call it
_TYPES = {"image": "picture", "video": "film", "text": "text"}


def other_than_sound(path: Path) -> str | None:
    """Return what a stimulus file is if it is no sound: ``"picture"``, ``"film"``, ``"NumPy array"``, ...

    Its ending says so, or its first bytes do; the file need not be there. None for sounds, and for what nothing is
    known of: the reader of sounds says what is wrong with it.
    """
    name = PurePosixPath(path).name.lower()
    known = next((kind for ending, kind in _ENDINGS.items() if name.endswith(ending)), None)
    guessed = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
    return known or _TYPES.get(guessed) or _from_content(path)


def _from_content(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    return next((kind for at, sign, kind in _SIGNATURES if start[at:].startswith(sign)), None)
