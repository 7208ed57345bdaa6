"""Reads from the first frame of an MP3 file how much silence the encoder put before the sound."""

from __future__ import annotations

from pathlib import Path

#: bytes that are searched for the first frame behind the ID3v2 tag
SEARCHED = 65_536
#: where the Xing or Info tag lies in a frame: (MPEG 1, mono), (MPEG 1, stereo), (MPEG 2, mono), (MPEG 2, stereo)
TAG_AT = {(True, True): 21, (True, False): 36, (False, True): 13, (False, False): 21}
#: bytes of the tag's flags that say how many frames there are
N_FRAMES = 0x1
#: fields that the flags announce before LAME's own: frames, bytes, table of contents, quality
FIELDS = ((0x1, 4), (0x2, 4), (0x4, 100), (0x8, 4))
#: from the start of LAME's part of the tag to its 12 + 12 bits of delay and padding
DELAY_AT = 21


def encoder_delay(path: Path) -> int | None:
    """Return the samples of silence that the encoder put before the sound, as its Xing or Info tag says.

    Decoders remove them, and the 529 of their own, only where the tag names them and the number of frames.

    Returns
    -------
    int or None
        None where no tag says so: then the length of the sound is a guess, and its start late by about 1105 samples.
    """
    with Path(path).open("rb") as file:
        start = file.read(10)
        behind = 10 + _syncsafe(start[6:10]) if start[:3] == b"ID3" else 0
        file.seek(behind)
        content = file.read(SEARCHED)
    first = _first_frame(content)
    if first is None:
        return None
    version, mode = content[first + 1] >> 3 & 3, content[first + 3] >> 6
    tag = first + TAG_AT[version == 3, mode == 3]
    if content[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(content[tag + 4 : tag + 8], "big")
    lame = tag + 8 + sum(size for bit, size in FIELDS if flags & bit)
    delay = int.from_bytes(content[lame + DELAY_AT : lame + DELAY_AT + 3], "big") >> 12
    return delay or None if flags & N_FRAMES else None


def _syncsafe(four: bytes) -> int:
    """Read a length of ID3v2: seven bits a byte."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=False))


def _first_frame(content: bytes) -> int | None:
    """Return where the first header of a layer III frame is."""
    for k in range(len(content) - 4):
        is_layer_3 = content[k] == 0xFF and content[k + 1] & 0xE6 == 0xE2 and content[k + 1] & 0x18 != 0x08
        if is_layer_3 and content[k + 2] >> 4 != 0xF and content[k + 2] & 0x0C != 0x0C:
            return k
    return None
