"""Names and places electrodes of BioSemi's caps, in the order of the amplifier's inputs."""

from __future__ import annotations

from collections.abc import Sequence

from eeg2speech_bench.core.errors import DataError

#: caps of MNE by their number of electrodes
BIOSEMI = {16: "biosemi16", 32: "biosemi32", 64: "biosemi64", 128: "biosemi128", 160: "biosemi160", 256: "biosemi256"}


def cap_names(cap: str) -> list[str]:
    """Return the names of the electrodes of a cap of MNE."""
    import mne

    return list(mne.channels.make_standard_montage(cap).ch_names)


def biosemi_names(labels: Sequence[str], n_chans: int, source: str) -> list[str]:
    """Return the names of electrodes that a file names, numbers or does not name.

    Parameters
    ----------
    labels : sequence of str
        As in the file, empty where it has none. Those of the cap are kept; others (``1``, ``A1``) say the order alone.
    n_chans : int
    source : str
        The file, for messages.

    Raises
    ------
    DataError
        If the number of channels is that of no cap.
    """
    if n_chans not in BIOSEMI:
        raise DataError(
            f"{source} has another number of channels than BioSemi's caps",
            got=n_chans,
            expected=", ".join(map(str, BIOSEMI)),
            then="Download it again.",
        )
    names = cap_names(BIOSEMI[n_chans])
    return list(labels) if len(labels) == n_chans and set(labels) == set(names) else names
