"""Writes MEG recordings as the machines do: KIT's own container, and FIF with the sensors of CTF and Elekta.

The geometry is that of MNE's flat layouts of the machines, bent over a helmet.
"""

from __future__ import annotations

import struct
from pathlib import Path

import mne
import numpy as np
from mne.io.constants import FIFF

#: metres from the middle of the helmet to the coils
RADIUS_M = 0.11
#: blocks that KIT's directory has, and the numbers of those that hold something
N_BLOCKS, SYSTEM, CHANNELS, CALIBRATION, FILTER, CONDITION, SAMPLES = 30, 1, 4, 5, 7, 8, 9
KIT_AXIAL, KIT_REFERENCE, KIT_OTHER = 2, 0x101, -4
#: tesla of one step of KIT's converter: 20 V in 16 bits, at this gain
STEP_T = 1e-14
RANGE_V, BITS = 20.0, 16


def helmet(layout: str, n_sensors: int) -> np.ndarray:
    """Return the places of sensors in metres, shape (n_sensors, 3), x to the right ear and y to the nose."""
    flat = mne.channels.read_layout(layout).pos[:n_sensors, :2]
    flat = flat - (flat.min(0) + flat.max(0)) / 2
    radius = np.linalg.norm(flat, axis=1) / max(np.linalg.norm(flat, axis=1).max(), 1e-12)
    angle, turn = radius * np.deg2rad(115), np.arctan2(flat[:, 1], flat[:, 0])
    return RADIUS_M * np.c_[np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)]


def write_kit(path: Path, data: np.ndarray, sfreq: float, n_references: int = 3, n_others: int = 9) -> None:
    """Write a ``.con`` as a KIT machine does: axial gradiometers, reference sensors, other inputs; 16 bits.

    Parameters
    ----------
    path : Path
    data : array, shape (n_sensors, n_samples)
        Tesla; the channels behind the sensors hold nothing.
    sfreq : float
    n_references, n_others : int
    """
    places = helmet("KIT-AD", len(data))
    n_chans = len(data) + n_references + n_others
    counts = np.zeros((data.shape[1], n_chans), dtype="<i2")
    counts[:, : len(data)] = np.round(data / STEP_T).T
    blocks = {
        SYSTEM: _system(n_chans),
        CHANNELS: b"".join(_kit_channel(k, places, n_references) for k in range(n_chans)),
        CALIBRATION: struct.pack("<dd", 0.0, STEP_T * 2**BITS / RANGE_V) * n_chans,
        FILTER: struct.pack("<i", 0),
        CONDITION: struct.pack("<idii", 1, sfreq, 0, data.shape[1]),
        SAMPLES: counts.tobytes(),
    }
    head, body = b"", b""
    for number in range(N_BLOCKS):
        block = blocks.get(number, b"")
        size = _KIT_CHANNEL if number == CHANNELS else len(block)
        head += struct.pack("<Iiii", 16 * N_BLOCKS + len(body), size, N_BLOCKS, N_BLOCKS if number == 0 else 0)
        body += block
    path.write_bytes(head + body)


_KIT_CHANNEL = 80


def _system(n_chans: int) -> bytes:
    """The version of the format, the machine (New York University Abu Dhabi) and its converter."""
    fields = struct.pack("<iii", 2, 4, 441)
    fields += b"NYUAD".ljust(128, b"\0") + b"PQ1208R".ljust(128, b"\0") + struct.pack("<i", n_chans) + bytes(256)
    fields += struct.pack("<ii", 1_500_000_000, 0) + bytes(12)
    for kind in (0, 100, 0):  # dewar, filters, triggers; three reserved words behind each
        fields += struct.pack("<i", kind) + bytes(12)
    fields += struct.pack("<i", 0) + bytes(4 * 29)  # converter board
    return fields + struct.pack("<diii", RANGE_V, 0, 16, BITS)


def _kit_channel(number: int, places: np.ndarray, n_references: int) -> bytes:
    if number < len(places) + n_references:
        kind = KIT_AXIAL if number < len(places) else KIT_REFERENCE
        x, y, z = places[number] if number < len(places) else (0.0, 0.0, 0.3)
        # KIT's axes: x to the nose, y to the left ear; angles of the coil's normal in degrees
        normal = np.array([y, -x, z]) / np.linalg.norm([x, y, z])
        theta, phi = np.rad2deg(np.arccos(normal[2])), np.rad2deg(np.arctan2(normal[1], normal[0]))
        return struct.pack("<i5d", kind, y, -x, z, theta, phi).ljust(_KIT_CHANNEL, b"\0")
    return struct.pack("<iii", KIT_OTHER, number, 0).ljust(_KIT_CHANNEL, b"\0")


def ctf_raw(data: np.ndarray, sfreq: float) -> mne.io.RawArray:
    """Make a recording of CTF's axial gradiometers, named as its files name them; tesla, (n_sensors, n_samples)."""
    names = [name.replace(" ", "") for name in mne.channels.read_layout("CTF-275").names[: len(data)]]
    info = mne.create_info(names, sfreq, "mag")
    for channel, place in zip(info["chs"], helmet("CTF-275", len(data)), strict=True):
        _place(channel, place, FIFF.FIFFV_COIL_CTF_GRAD)
    return mne.io.RawArray(data, info, verbose="ERROR")


def elekta_raw(data: np.ndarray, sfreq: float) -> mne.io.RawArray:
    """Make a recording of Elekta's triples: two planar gradiometers (tesla per metre) and a magnetometer (tesla).

    Parameters
    ----------
    data : array, shape (n_sensors, n_samples)
        In the order of a file: MEG0112, MEG0113, MEG0111, MEG0122, ...
    sfreq : float
    """
    n_places = len(data) // 3
    layout = mne.channels.read_layout("Vectorview-mag")
    stems = [name.replace(" ", "")[:-1] for name in layout.names[:n_places]]
    names = [f"{stem}{end}" for stem in stems for end in "231"]
    info = mne.create_info(names, sfreq, ["grad", "grad", "mag"] * n_places)
    places = np.repeat(helmet("Vectorview-mag", n_places), 3, axis=0)
    for number, (channel, place) in enumerate(zip(info["chs"], places, strict=True)):
        _place(channel, place, FIFF.FIFFV_COIL_VV_MAG_T1 if number % 3 == 2 else FIFF.FIFFV_COIL_VV_PLANAR_T1)
    return mne.io.RawArray(data, info, verbose="ERROR")


def _place(channel: dict, place: np.ndarray, coil: int) -> None:
    normal = place / np.linalg.norm(place)
    across = np.cross(normal, [0.0, 0, 1] if abs(normal[2]) < 0.9 else [0.0, 1, 0])
    across /= np.linalg.norm(across)
    channel["loc"][:] = np.concatenate([place, across, np.cross(normal, across), normal])
    channel["coil_type"], channel["coord_frame"] = coil, FIFF.FIFFV_COORD_DEVICE
