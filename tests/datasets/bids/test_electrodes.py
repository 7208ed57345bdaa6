from __future__ import annotations

import json

import mne
import numpy as np
import pytest

from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.datasets.bids.electrodes import head_radius, read_positions

NAMES = ["Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P3", "Pz", "P4", "Oz"]
STEM = "sub-01_task-x"
FACTORS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}


@pytest.fixture(scope="module")
def head():
    """Places in metres, x to the right ear and y to the nose."""
    places = mne.channels.make_standard_montage("colin27_1005").get_positions()["ch_pos"]
    return {name: places[name] for name in NAMES}


@pytest.fixture
def positions(tmp_path):
    """Write tables of positions and read them back."""

    def read(places, system=None, space=""):
        folder = tmp_path / "sub-01" / "eeg"
        folder.mkdir(parents=True, exist_ok=True)
        space = f"_space-{space}" if space else ""
        rows = ["\t".join([name, *map(str, place)]) for name, place in places.items()]
        (folder / f"sub-01{space}_electrodes.tsv").write_text("\n".join(["name\tx\ty\tz", *rows, ""]))
        if system is not None:
            (folder / f"sub-01{space}_coordsystem.json").write_text(json.dumps(system))
        return read_positions(folder / f"{STEM}_eeg.vhdr", tmp_path)

    return read


def scaled(places, factor, rotation=None):
    rotation = np.eye(3) if rotation is None else rotation
    return {name: factor * (rotation @ place) for name, place in places.items()}


def largest_error(found, head):
    return max(np.linalg.norm(found.places[name] - head[name]) for name in head)


CAPTRAK = {"EEGCoordinateSystem": "CapTrak"}

# Units


@pytest.mark.parametrize("unit", FACTORS)
def test_positions_are_metres_whatever_unit_is_declared(positions, head, unit):
    found = positions(scaled(head, FACTORS[unit]), CAPTRAK | {"EEGCoordinateUnits": unit})
    assert largest_error(found, head) < 1e-9
    assert found.notes == ()


@pytest.mark.parametrize("declared", [None, "n/a", "", "m", "meters", "inch"])
@pytest.mark.parametrize("unit", ["cm", "mm"])
def test_a_missing_or_wrong_unit_is_read_from_the_size_of_the_head_and_said(positions, head, unit, declared):
    system = CAPTRAK | ({} if declared is None else {"EEGCoordinateUnits": declared})
    found = positions(scaled(head, FACTORS[unit]), system)
    assert largest_error(found, head) < 1e-9
    assert f"electrode positions are read in {unit} (coordsystem.json " in found.notes[0]


def test_positions_without_a_coordsystem_are_read_by_their_size(positions, head):
    found = positions(scaled(head, 1000.0))
    assert largest_error(found, head) < 1e-9


@pytest.mark.parametrize("factor", [11.0, 1.0e-3, 1.0e6])
def test_positions_that_make_no_head_in_any_unit_are_refused(positions, head, factor):
    with pytest.raises(
        DataError, match=r"electrodes\.tsv holds no positions of a head: got a radius of .*60 to 130 mm"
    ):
        positions(scaled(head, factor * 50), CAPTRAK | {"EEGCoordinateUnits": "m"})


def test_a_sphere_of_radius_one_is_no_head(positions, head):
    on_sphere = {name: place / np.linalg.norm(place) for name, place in head.items()}
    with pytest.raises(DataError, match="holds no positions of a head: got a radius of 1 in the unit 'm'"):
        positions(on_sphere, CAPTRAK | {"EEGCoordinateUnits": "m"})


@pytest.mark.parametrize("names", [["Fz", "Cz", "Pz"], ["T7", "T8"], ["Cz"], NAMES[:9]])
def test_few_electrodes_are_enough_to_tell_the_unit(positions, head, names):
    few = {name: head[name] for name in names}
    assert largest_error(positions(scaled(few, 1000.0), CAPTRAK), few) < 1e-9


def test_the_radius_is_the_spheres_wherever_its_centre_lies():
    directions = np.random.default_rng(0).normal(size=(30, 3))
    cap = directions[directions[:, 2] > 0] / np.linalg.norm(directions[directions[:, 2] > 0], axis=1)[:, None]
    radius, *_ = head_radius(90 * cap + [300.0, -20.0, 40.0])
    assert radius == pytest.approx(90)


# Rows


def test_rows_without_three_numbers_or_at_the_origin_have_no_position(positions, head):
    unknown = {"GND": ["n/a"] * 3, "REF": ["", "", ""], "X1": ["0", "0", "0.0"], "X2": ["nan", "1", "n/a"]}
    found = positions({**head, **unknown}, CAPTRAK | {"EEGCoordinateUnits": "m"})
    assert set(found.places) == set(NAMES)


def test_a_decimal_comma_is_named(positions, head):
    with pytest.raises(DataError, match=r"Row 6 of table .*no number in column 'x': got '0,01'.*Write 0\.01"):
        positions({**head, "Fz": ["0,01", "0.05", "0.08"]}, CAPTRAK)


def test_a_table_of_unknown_places_alone_is_no_table(positions):
    assert positions({"Fz": ["n/a"] * 3}, CAPTRAK) is None


def test_a_table_of_landmarks_alone_is_no_table(positions):
    assert positions({"NAS": [0.0, 0.1, 0.0], "LPA": [-0.08, 0.0, 0.0]}, CAPTRAK) is None


def test_no_table_is_no_positions(tmp_path):
    (tmp_path / "sub-01" / "eeg").mkdir(parents=True)
    assert read_positions(tmp_path / "sub-01" / "eeg" / f"{STEM}_eeg.vhdr", tmp_path) is None


# Frames

TO_ALS = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("system", ["CTF", "EEGLAB", "EEGLAB-HJ", "4DBti", "KitYokogawa"])
def test_systems_whose_x_points_to_the_nose_are_turned(positions, head, system):
    found = positions(scaled(head, 1000.0, TO_ALS), {"EEGCoordinateSystem": system, "EEGCoordinateUnits": "mm"})
    assert largest_error(found, head) < 1e-9


@pytest.mark.parametrize("system", ["Other", "n/a", "MNI152Lin", "Cap Trak"])
@pytest.mark.parametrize("rotation", [np.eye(3), TO_ALS], ids=["RAS", "ALS"])
def test_a_system_without_axes_is_read_from_the_electrodes_names_and_said(positions, head, system, rotation):
    found = positions(scaled(head, 1.0, rotation), {"EEGCoordinateSystem": system, "EEGCoordinateUnits": "m"})
    assert largest_error(found, head) < 1e-9
    assert f"coordinate system '{system}'" in found.notes[0]


def test_the_table_whose_system_is_known_comes_before_others(positions, head):
    positions(scaled(head, 1.0), {"EEGCoordinateSystem": "MNI305", "EEGCoordinateUnits": "m"}, space="MNI305")
    found = positions(scaled(head, 0.9), CAPTRAK | {"EEGCoordinateUnits": "m"}, space="ZCapTrak")
    np.testing.assert_allclose(found.places["Cz"], 0.9 * head["Cz"])


# Landmarks

MARKS = {"NAS": [0.0, 0.1, 0.0], "LPA": [-0.08, 0.0, 0.0], "RPA": [0.08, 0.0, 0.0]}


def test_landmarks_come_with_the_electrodes(positions, head):
    system = CAPTRAK | {"EEGCoordinateUnits": "m", "AnatomicalLandmarkCoordinates": MARKS}
    landmarks = positions(head, system).landmarks
    assert {mark: place.tolist() for mark, place in landmarks.items()} == dict(
        zip(["nasion", "lpa", "rpa"], MARKS.values(), strict=True)
    )


def test_landmarks_share_the_mended_unit_of_the_electrodes(positions, head):
    marks = {name: [1000 * v for v in place] for name, place in MARKS.items()}
    system = CAPTRAK | {"EEGCoordinateUnits": "m", "AnatomicalLandmarkCoordinates": marks}
    np.testing.assert_allclose(positions(scaled(head, 1000.0), system).landmarks["nasion"], MARKS["NAS"])


@pytest.mark.parametrize(
    "marks",
    [
        {"NAS": [0, 0.1, 0]},
        {"NAS": "n/a", "LPA": "n/a", "RPA": "n/a"},
        {k: [9 * x for x in v] for k, v in MARKS.items()},
    ],
    ids=["one", "text", "of a giant"],
)
def test_landmarks_that_cannot_be_are_not_used(positions, head, marks):
    system = CAPTRAK | {"EEGCoordinateUnits": "m", "AnatomicalLandmarkCoordinates": marks}
    assert positions(head, system).landmarks == {}


def test_landmarks_of_another_system_are_not_used(positions, head):
    other = {"AnatomicalLandmarkCoordinates": MARKS, "AnatomicalLandmarkCoordinateSystem": "ScanRAS"}
    assert positions(head, CAPTRAK | {"EEGCoordinateUnits": "m"} | other).landmarks == {}


def test_landmarks_among_the_rows_are_no_electrodes(positions, head):
    rows = {"FidNz": MARKS["NAS"], "FidT9": MARKS["LPA"], "FidT10": MARKS["RPA"]}
    found = positions({**head, **rows}, CAPTRAK | {"EEGCoordinateUnits": "m"})
    assert set(found.places) == set(NAMES)
    np.testing.assert_allclose(found.landmarks["lpa"], MARKS["LPA"])


# Published tables


def test_published_positions_are_read_as_they_are_declared(realdata):
    root = realdata / "brennan2019_nm000180"
    found = read_positions(next(root.rglob("*_eeg.vhdr")), root)
    assert len(found.places) == 60
    assert found.notes == ()
    assert found.places["1"][2] == pytest.approx(0.135, abs=1e-3)
    assert set(found.landmarks) == {"nasion", "lpa", "rpa"}
