"""Writes the data set ``simulated`` as BIDS: listeners who hear the suite's own speech.

The default is calibrated like a good real listener (real ones: r = 0.07 to 0.29, mean 0.16, in the single-talker EEG of
Fuglsang et al. 2017). A ridge backward model (lags 0 to 250 ms, 0.5 to 8 Hz, held-out stories) reaches r = 0.287 on
average over the 8 listeners (0.215 to 0.429), shifted speech -0.001 +- 0.020, and the null twin 0.010 (-0.036 to
0.057). To repeat::

    eeg2speech-bench datasets simulate --out ROOT
    python -m eeg2speech_bench.datasets.simulation.check ROOT

What is more regular than in people: frequency bands differ in place, side and latency alike in all listeners, which
makes speech easier to tell apart than the r of one envelope suggests.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import mne
import mne_bids
import numpy as np

from eeg2speech_bench.core.errors import StorageError
from eeg2speech_bench.core.machine.forks import each_in_a_fork
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.file_lock import file_lock
from eeg2speech_bench.core.stages.json_files import read_json, write_json
from eeg2speech_bench.core.stages.written_files import damage_of, written_files
from eeg2speech_bench.datasets import speech
from eeg2speech_bench.datasets.simulation.auditory import band_drives, band_envelopes
from eeg2speech_bench.datasets.simulation.head import SphericalHead
from eeg2speech_bench.datasets.simulation.listeners import SimulatedListener, simulate_listener
from eeg2speech_bench.datasets.simulation.settings import (
    SOURCE_VERSION,
    SimulationSettings,
    folder_name,
    told_stories,
)

TASK = "listening"
#: how the names of folders end that are being written; what is so old was left by a process that was killed
PARTIAL, ABANDONED_S = ".partial", 24 * 3600.0

Progress = Callable[[str], None]


def open_simulated_root(cache: Path, settings: SimulationSettings, progress: Progress | None = None) -> Path:
    """Return the folder of a simulated data set, made at the first call and again where its files have changed.

    Parameters
    ----------
    cache : Path
        Folder that holds the suite's data sets; created if missing.
    settings : SimulationSettings
    progress : callable, optional
        Receives a line of text per listener while the data set is made.

    Returns
    -------
    Path
        BIDS root, named by the settings, the source version and the speech.

    Raises
    ------
    StorageError
        If the cache cannot be written.
    """
    cache = Path(cache)
    root = cache / folder_name(settings)
    with explained(cache):
        cache.mkdir(parents=True, exist_ok=True)
        with file_lock(cache / f".{root.name}.lock"):
            if wrong := _damage(root):
                if progress:
                    progress(f"Simulated data set {root} is damaged: {wrong}. It is removed and made again.")
                shutil.rmtree(root)
            if not root.is_dir():
                _sweep(root)
                simulate(root, settings, progress)
                write_json(_manifest(root), written_files(root))
    return root


def _manifest(root: Path) -> Path:
    """Return where it is written what a data set of the cache is made of: beside it, since it is no part of BIDS."""
    return root.with_name(f".{root.name}.json")


def _damage(root: Path) -> str:
    """Say what is wrong with a data set of the cache; empty if nothing is, or if it is not there."""
    if not root.is_dir():
        return ""
    try:
        return damage_of(root, {name: (size, digest) for name, (size, digest) in read_json(_manifest(root)).items()})
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return "it is not known what it was made of"


def _sweep(root: Path) -> None:
    """Remove what a process that was killed while it made the data set has left."""
    for left in root.parent.glob(f".{root.name}.*{PARTIAL}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left)


def simulate(root: Path, settings: SimulationSettings, progress: Progress | None = None) -> Path:
    """Write a simulated BIDS data set.

    Parameters
    ----------
    root : Path
        Folder to make. It appears only when it is complete.
    settings : SimulationSettings
    progress : callable, optional
        Receives a line of text per listener.

    Returns
    -------
    Path
        ``root``.

    Raises
    ------
    StorageError
        If ``root`` exists and is not empty, or cannot be written.
    UsageError
        If more stories are asked for than the suite ships.
    """
    root, stories = Path(root).absolute(), told_stories(settings)
    if root.exists() and any(root.iterdir()):
        raise StorageError(f"Folder {root} is not empty", then="Choose another folder, or delete that one.")
    try:
        with explained(root):
            root.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=PARTIAL, dir=root.parent))
            try:
                _write_dataset(partial, settings, stories, progress or (lambda line: None))
                partial.chmod(0o755)  # mkdtemp's folders are private
                partial.replace(root)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StorageError(f"Simulated data set {root} could not be written", got=str(error)) from error
    return root


def _write_dataset(root: Path, settings: SimulationSettings, stories: list[str], progress: Progress) -> None:
    head = SphericalHead(settings.n_chans, settings.sfreq)
    durations_s, envelopes = {}, {}
    for name in stories:
        story, samples, rate_hz = speech.load_story(name)
        durations_s[name] = len(samples) / rate_hz
        envelopes[name] = band_envelopes(samples, rate_hz, settings.sfreq)
        _write_stimulus(root / "stimuli", name, story)
    shutil.copyfile(Path(speech.__file__).with_name("LICENSE.md"), root / "stimuli" / "LICENSE.md")
    drives = band_drives(envelopes)
    _write_description(root, settings)

    def listen(index: int) -> SimulatedListener:
        return simulate_listener(head, drives, settings, index)

    with closing(each_in_a_fork(listen, range(settings.n_listeners))) as listeners:
        for number in range(1, settings.n_listeners + 1):
            progress(f"simulating listener {number} of {settings.n_listeners}")
            _write_recording(root, f"{number:02d}", head.info, next(listeners), durations_s)


def _write_stimulus(folder: Path, name: str, story: dict) -> None:
    """Copy the sound and write its transcript beside it as ``<name>_words.tsv``."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(speech.story_path(name), folder / f"{name}.ogg")
    # the written text has one token per spoken word, and the punctuation that the spoken ones lack
    ends = np.array([token[-1] in ".?!" for token in story["text"].split()])
    sentences = np.concatenate([[0], np.cumsum(ends)[:-1]])
    rows = [
        f"{w['start_s']:.3f}\t{w['stop_s'] - w['start_s']:.3f}\t{w['text']}\t{sentence}"
        for w, sentence in zip(story["words"], sentences, strict=True)
    ]
    text = "\n".join(["onset\tduration\tword\tsentence", *rows, ""])
    (folder / f"{name}_words.tsv").write_text(text, encoding="utf8")


def _write_description(root: Path, settings: SimulationSettings) -> None:
    mne_bids.make_dataset_description(
        path=root,
        name=settings.about,
        data_license="EEG: CC0. Sounds: see stimuli/LICENSE.md",
        generated_by=[{"Name": "eeg2speech-bench", "Description": f"{settings}, source version {SOURCE_VERSION}"}],
        authors=["eeg2speech-bench"],
        overwrite=True,
        verbose="ERROR",
    )
    (root / "README").write_text(_README.format(settings=settings, version=SOURCE_VERSION), encoding="utf8")


_README = """Simulated EEG of listeners who hear stories read by a speech synthesiser. No person was recorded.

Spherical head, auditory dipoles with P1-N1-P2 responses to spectral bands and onsets, 1/f and alpha background, blinks,
drift, line noise. Made by eeg2speech-bench (source version {version}) with
{settings}

Events: one row per story, onset = start of the sound file. stimuli/<name>_words.tsv: word times in the sound file, in
seconds, and the sentence of each word.
"""


def _write_recording(
    root: Path, subject: str, info: mne.Info, listener: SimulatedListener, durations_s: dict[str, float]
) -> None:
    with mne.use_log_level("ERROR"), warnings.catch_warnings():
        # mne-bids warns that data from memory have no original file; that is the point here.
        warnings.simplefilter("ignore")
        raw = mne.io.RawArray(listener.eeg * 1e-6, info.copy())
        raw.set_annotations(_annotations(listener, info["sfreq"], durations_s))
        path = mne_bids.BIDSPath(subject=subject, task=TASK, datatype="eeg", root=root)
        mne_bids.write_raw_bids(raw, path, format="BrainVision", allow_preload=True, overwrite=True, verbose="ERROR")
        mne_bids.update_sidecar_json(
            path.copy().update(suffix="eeg", extension=".json"),
            {"EEGReference": "average", "Manufacturer": "none: simulated", "TaskDescription": "Listen to stories."},
            verbose="ERROR",
        )
        mne_bids.update_sidecar_json(
            path.copy().update(suffix="events", extension=".json"),
            {"stim_file": {"Description": "Sound file below stimuli/ that starts at the onset."}},
            verbose="ERROR",
        )


def _annotations(listener: SimulatedListener, sfreq: float, durations_s: dict[str, float]) -> mne.Annotations:
    onsets = listener.schedule.onsets
    return mne.Annotations(
        onset=np.array(list(onsets.values())) / sfreq,
        duration=[durations_s[name] for name in onsets],
        description=["speech"] * len(onsets),
        extras=[{"stim_file": f"{name}.ogg"} for name in onsets],
    )
