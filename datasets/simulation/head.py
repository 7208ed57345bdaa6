"""Computes the EEG that current dipoles in a spherical head cause at the electrodes of a BioSemi cap."""

from __future__ import annotations

from functools import cached_property

import mne
import numpy as np


class SphericalHead:
    """Four-shell sphere (brain, fluid, skull, scalp) fitted to the electrodes of a BioSemi cap.

    Positions are given relative to the sphere's centre: x to the right ear, y to the nose, z to the vertex, in metres.
    The solution is MNE's for concentric shells (Mosher, Leahy and Lewis 1999; Berg and Scherg 1994).

    Parameters
    ----------
    n_chans : int
        Size of the cap: 16, 32, 64 or 128, whose positions MNE knows.
    sfreq : float
        Sampling rate of the recordings, Hz; only stored in ``info``.
    """

    def __init__(self, n_chans: int, sfreq: float) -> None:
        montage = mne.channels.make_standard_montage(f"biosemi{n_chans}")
        with mne.use_log_level("ERROR"):
            self.info = mne.create_info(montage.ch_names, sfreq, "eeg").set_montage(montage)
            self._sphere = mne.make_sphere_model("auto", "auto", self.info)
        self.info["line_freq"] = 50.0

    @cached_property
    def brain_radius_m(self) -> float:
        """Radius of the innermost shell; sources must lie below it."""
        return float(self._sphere["layers"][0]["rad"])

    def gain(self, positions: np.ndarray, orientations: np.ndarray) -> np.ndarray:
        """Compute the potential per dipole moment, against the average of all electrodes.

        Parameters
        ----------
        positions : array, shape (n_sources, 3)
            Metres from the sphere's centre; those beyond 95 % of `brain_radius_m` are drawn in to it.
        orientations : array, shape (n_sources, 3)
            Directions; normalised here.

        Returns
        -------
        array of float32, shape (n_chans, n_sources)
            Microvolts per nanoampere metre.
        """
        n_sources = len(positions)
        radius = np.linalg.norm(positions, axis=1, keepdims=True)
        inside = positions * np.minimum(1, 0.95 * self.brain_radius_m / radius)
        unit = orientations / np.linalg.norm(orientations, axis=1, keepdims=True)
        ones = np.ones(n_sources)
        # One time per dipole: that is how MNE tells separate dipoles from a moving one.
        dipoles = mne.Dipole(np.arange(n_sources) * 1e-3, inside + self._sphere["r0"], ones, unit, ones)
        forward, _ = mne.make_forward_dipole(dipoles, self._sphere, self.info, verbose="ERROR")
        gain = forward["sol"]["data"] * 1e-3  # V/(A m) -> uV/(nA m)
        return (gain - gain.mean(0)).astype(np.float32)
