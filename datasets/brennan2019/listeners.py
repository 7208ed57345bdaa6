"""Lists the listeners that published analyses used."""

from __future__ import annotations

#: numbers of the recordings whose segments are all labelled one too low
SHIFTED = (2, 24, 26, 27, 30, 32, 34, 35, 36)
#: those whose words the authors placed
PLACED = tuple(n for n in range(1, 49) if n not in (28, 29, 31, 33, 46, 47))
#: those that the authors' datasets.mat lists under ``use``
PAPER = tuple(n for n in PLACED if n not in (2, 7, 9, 23, 24, 27, 30, 32, 43))


def names(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of listeners, as S01."""
    return tuple(f"S{number:02}" for number in numbers)


#: lists by name: the paper's (Brennan and Hale 2019), that of Defossez et al. (2023), the paper's without those that
#: have to be repaired, and all whose words were placed
LISTS = {
    "paper": names(PAPER),
    "brainmagick": names(tuple(n for n in PLACED if n not in SHIFTED)),
    "clean": names(tuple(n for n in PAPER if n not in SHIFTED)),
    "all": names(PLACED),
}
