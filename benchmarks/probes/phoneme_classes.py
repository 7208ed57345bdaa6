"""Sorts phonemes by how they are made."""

from __future__ import annotations

#: symbols of ARPAbet, without the digits of stress, by manner
MANNERS = {
    "affricate": "CH JH",
    "approximant": "L R W Y",
    "fricative": "DH F HH S SH TH V Z ZH",
    "nasal": "M N NG",
    "stop": "B D G K P T",
    "vowel": "AA AE AH AO AW AX AXR AY EH ER EY IH IX IY OW OY UH UW UX",
}
CLASS_OF = {symbol: manner for manner, symbols in MANNERS.items() for symbol in symbols.split()}


def phoneme_class(symbol: str) -> str:
    """Return the manner of an ARPAbet symbol, with or without stress; empty for any other symbol."""
    return CLASS_OF.get(symbol.upper().rstrip("012"), "")
