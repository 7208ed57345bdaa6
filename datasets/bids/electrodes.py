"""Reads electrode positions from electrodes.tsv and coordsystem.json, in metres and in the frame of the head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.electrode_names import electrodes_10_05, joined_by_name
from eeg2speech_bench.datasets.bids.inheritance import entities, nearest_file, read_sidecar
from eeg2speech_bench.datasets.bids.tables import numbers, read_table

METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}

#: radii of heads in metres, from a newborn's to a large one under a cap; less than a factor of ten apart, so that
#: one unit fits at most
SMALLEST_HEAD, LARGEST_HEAD = 0.06, 0.13
#: fewer electrodes give no sphere; half of their largest distance stands in, which may be far below a radius, or the
#: distance of a single one from the origin, which may be above
FEWEST_FOR_SPHERE, SMALLEST_EXTENT, LARGEST_EXTENT = 8, 0.02, 0.19

#: systems whose x points to the right ear and y to the nose (RAS), and those whose x points to the nose (ALS)
RAS_SYSTEMS = ("CapTrak", "ElektaNeuromag", "ChietiItab")
ALS_SYSTEMS = ("EEGLAB", "EEGLAB-HJ", "CTF", "4DBti", "KitYokogawa")
ALS_TO_RAS = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])

#: rows of electrodes.tsv that are places of the head
LANDMARKS = {
    "nasion": ("nas", "nasion", "nz", "fidnz"),
    "lpa": ("lpa", "fidt9"),
    "rpa": ("rpa", "fidt10"),
}
#: named electrodes that an orientation is read from, and how well they must fit (mean cosine)
FEWEST_FOR_ORIENTATION, GOOD_FIT = 6, 0.8


@dataclass(frozen=True)
class ElectrodePositions:
    """Places of electrodes.

    Attributes
    ----------
    path : Path
        The table.
    places : dict of str to array, shape (3,)
        Metres, by the table's names; x to the right, y to the front, z up.
    landmarks : dict of str to array
        ``nasion``, ``lpa`` and ``rpa`` in the same frame; all three or none.
    notes : tuple of str
    """

    path: Path
    places: dict[str, np.ndarray]
    landmarks: dict[str, np.ndarray]
    notes: tuple[str, ...]


def read_positions(recording: Path, root: Path) -> ElectrodePositions | None:
    """Read the positions that apply to a recording; None where the folder has none.

    Parameters
    ----------
    recording : Path
        The EEG file.
    root : Path
        Folder of the data set.

    Raises
    ------
    DataError
        If a coordinate is no number, or no unit makes a head of the positions.
    """
    found = []
    for space in ("", *_spaces(recording, root, "electrodes.tsv")):
        path = nearest_file(root, _in_space(recording, space), "electrodes.tsv")
        points = _points(path) if path else {}
        if path and len(points) > len(_landmarks_among(points)):
            found.append((path, points, _system(recording, root, space)))
    if not found:
        return None
    return _in_the_head(*min(found, key=lambda f: f[2].get("EEGCoordinateSystem") not in RAS_SYSTEMS + ALS_SYSTEMS))


def _spaces(recording: Path, root: Path, ending: str) -> list[str]:
    """List the coordinate spaces that tables beside a recording and above it are named after."""
    folders = [folder for folder in (recording.parent, *recording.parent.parents) if folder.is_relative_to(root)]
    names = [path.name for folder in folders for path in sorted(folder.glob(f"*_space-*{ending}"))]
    return list(dict.fromkeys(entities(name)["space"] for name in names))


def _in_space(recording: Path, space: str) -> Path:
    """Return the name under which tables of a coordinate space apply to a recording."""
    return recording.with_name(f"space-{space}_{recording.name}") if space else recording


def _system(recording: Path, root: Path, space: str) -> dict[str, Any]:
    """Read what coordsystem.json says of a space; one for a single named space also serves a table without one."""
    spaces = _spaces(recording, root, "coordsystem.json")
    system = read_sidecar(root, _in_space(recording, space), "coordsystem.json")
    if not system and len(spaces) == 1 and not space:
        system = read_sidecar(root, _in_space(recording, spaces[0]), "coordsystem.json")
    return system


def _points(path: Path) -> dict[str, np.ndarray]:
    """Read the rows with three numbers that are not all zero, which stands for an unknown place in some exports."""
    table = read_table(path)
    lacking = [column for column in ("name", "x", "y", "z") if column not in table]
    if lacking:
        raise DataError(f"{path} lacks columns", got=", ".join(table.columns), expected="name, x, y and z")
    places = np.c_[tuple(numbers(table, axis, path).to_numpy() for axis in "xyz")]
    known = np.isfinite(places).all(1) & places.any(1)
    return {str(name): place for name, place, is_known in zip(table["name"], places, known, strict=True) if is_known}


def _in_the_head(path: Path, points: dict[str, np.ndarray], system: dict[str, Any]) -> ElectrodePositions:
    marks = _landmarks_among(points)
    electrodes = {name: place for name, place in points.items() if name not in marks.values()}
    declared = str(system.get("EEGCoordinateUnits") or "").strip()
    metres, notes = _metres(path, np.array(list(electrodes.values())), declared)
    rotation, more = _to_ras(electrodes, str(system.get("EEGCoordinateSystem") or "").strip())
    places = {name: rotation @ place * metres for name, place in electrodes.items()}
    found = {mark: points[row] * metres for mark, row in marks.items()} if len(marks) == len(LANDMARKS) else {}
    found = found or _declared_landmarks(system, metres)
    landmarks = {mark: rotation @ place for mark, place in found.items()}
    return ElectrodePositions(path, places, landmarks, (*notes, *more))


def _landmarks_among(points: dict[str, np.ndarray]) -> dict[str, str]:
    return {mark: row for mark, names in LANDMARKS.items() for row in points if row.casefold() in names}


def _declared_landmarks(system: dict[str, Any], metres: float) -> dict[str, np.ndarray]:
    """Return the landmarks of coordsystem.json, where they are in the electrodes' own system."""
    given = system.get("AnatomicalLandmarkCoordinates")
    own = system.get("EEGCoordinateSystem")
    if not isinstance(given, dict) or system.get("AnatomicalLandmarkCoordinateSystem", own) != own:
        return {}
    unit = system.get("AnatomicalLandmarkCoordinateUnits", system.get("EEGCoordinateUnits"))
    factor = METRES[unit] if unit in METRES and unit != system.get("EEGCoordinateUnits") else metres
    try:
        names = {"nasion": "NAS", "lpa": "LPA", "rpa": "RPA"}
        places = {mark: np.array([float(v) for v in given[name]]) * factor for mark, name in names.items()}
    except (KeyError, TypeError, ValueError):
        return {}
    width = np.linalg.norm(places["rpa"] - places["lpa"])
    return places if SMALLEST_HEAD < width < 2 * LARGEST_HEAD else {}


def head_radius(points: np.ndarray) -> tuple[float, float, float]:
    """Return the radius of the sphere through points, and the least and the most that make a head of it.

    Parameters
    ----------
    points : array, shape (n, 3)
    """
    extent = float(np.max(np.linalg.norm(points[:, None] - points[None], axis=2), initial=0.0)) / 2
    if len(points) >= FEWEST_FOR_SPHERE and extent:
        # |p|^2 = 2 p.c + (r^2 - |c|^2) is linear in the centre c
        scaled = points / extent
        design = np.c_[2 * scaled, np.ones(len(points))]
        solution, _, _, singular = np.linalg.lstsq(design, (scaled**2).sum(1), rcond=None)
        radius = float(np.sqrt(max(solution[3] + solution[:3] @ solution[:3], 0))) * extent
        if singular[-1] > 1e-2 * singular[0] and extent < 2 * radius:
            return radius, SMALLEST_HEAD, LARGEST_HEAD
    return extent or float(np.linalg.norm(points[0])), SMALLEST_EXTENT, LARGEST_EXTENT


def _metres(path: Path, points: np.ndarray, declared: str) -> tuple[float, list[str]]:
    """Return the metres of one unit of the table: as declared, unless only another unit makes a head of it."""
    radius, least, most = head_radius(points)
    fitting = [unit for unit, factor in METRES.items() if least <= radius * factor <= most]
    if declared in fitting:
        return METRES[declared], []
    if len(fitting) != 1:
        raise DataError(
            f"{path} holds no positions of a head",
            got=f"a radius of {radius:.4g} in the unit '{declared or 'not given'}'",
            expected=f"{1000 * least:.0f} to {1000 * most:.0f} mm",
            then="Correct x, y and z and EEGCoordinateUnits (m, cm or mm) of coordsystem.json, or delete both files.",
        )
    (unit,) = fitting
    said = f"coordsystem.json says '{declared}'" if declared else "coordsystem.json names no unit"
    return METRES[unit], [
        f"electrode positions are read in {unit} ({said}): a radius of {1e3 * radius * METRES[unit]:.0f} mm"
    ]


def _to_ras(electrodes: dict[str, np.ndarray], system: str) -> tuple[np.ndarray, list[str]]:
    """Return the rotation to the frame of the head: the named system's, else the one that the names fit."""
    if system in RAS_SYSTEMS:
        return np.eye(3), []
    if system in ALS_SYSTEMS:
        return ALS_TO_RAS, []
    said = f"coordinate system '{system}'" if system else "no coordinate system"
    fits = {"RAS": _fit(electrodes, np.eye(3)), "ALS": _fit(electrodes, ALS_TO_RAS)}
    if fits["ALS"] > GOOD_FIT > fits["RAS"]:
        return ALS_TO_RAS, [f"electrode positions ({said}) are read as x to the nose, which their names fit"]
    return np.eye(3), [f"electrode positions ({said}) are read as x to the right and y to the nose"]


def _fit(electrodes: dict[str, np.ndarray], rotation: np.ndarray) -> float:
    """Return how well electrodes lie where their names say: the mean cosine with MNE's template head."""
    import mne

    template = mne.channels.make_standard_montage("colin27_1005").get_positions()["ch_pos"]
    known = electrodes_10_05()
    pairs = {name: known[name.casefold()] for name in electrodes if name.casefold() in known}
    pairs = {name: electrode for name, electrode in pairs.items() if electrode in template}
    if len(pairs) < FEWEST_FOR_ORIENTATION:
        return 0.0
    own = np.array([rotation @ electrodes[name] for name in pairs])
    theirs = np.array([template[electrode] for electrode in pairs.values()])
    own, theirs = (x - x.mean(0) for x in (own, theirs))
    return float(
        np.mean((own * theirs).sum(1) / (np.linalg.norm(own, axis=1) * np.linalg.norm(theirs, axis=1) + 1e-12))
    )


def places_of(positions: ElectrodePositions, names: list[str]) -> dict[str, np.ndarray]:
    """Return the positions of a recording's channels, by the recording's names.

    Raises
    ------
    DataError
        If the table names none of them: a template head would take its place without a word.
    """
    pairs = joined_by_name(list(positions.places), names)
    if not pairs:
        raise DataError(
            f"{positions.path} names no channel of the recording",
            got=", ".join(list(positions.places)[:5]),
            expected=f"names such as {', '.join(names[:5])}",
            then="Correct its column name, or delete it with coordsystem.json to use MNE's template head.",
        )
    return {name: positions.places[row] for row, name in pairs.items()}
