"""Makes speech of a recording, beside its controls (the verb ``generate``)."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from eeg2speech_bench.benchmarks.commands import absolute, count
from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import StageProgress, make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.benchmarks.trained.continuous_speech import Speaker
    from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice
    from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``generate``."""
    add_reading_options(parser)
    parser.add_argument("--out", type=absolute, required=True, metavar="DIR", help="new folder for what is made")
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="first second of sound (default: 0)")
    parser.add_argument("--stop", type=float, metavar="S", help="last second of sound (default: the end)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise and of controls (default: 0)")
    parser.add_argument("--steps", type=count, metavar="N", help="sampling steps (default: those of the cell)")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which model reads which recording, and how."""
    add_record(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording that MNE reads, also of a BIDS folder")
    add_matching_options(parser)


def add_record(parser: argparse.ArgumentParser) -> None:
    """Add what says which model reads."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="results/records/<cell>.json, or a model's folder")


def add_matching_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how EEG is matched to a model."""
    parser.add_argument("--listener", metavar="NAME", help="who listened, as in the training; or 'new'")
    parser.add_argument(
        "--map-channels",
        metavar="FILE=MODEL,...",
        help="names of the model's channels by those of the file; 'interpolate' for those that it lacks",
    )
    parser.add_argument("--resample", action="store_true", help="take a sampling rate that the training did not have")
    parser.add_argument(
        "--scale", default="file", metavar="NAME", help="'file', 'listener' or a training recording (default: file)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--anyway", action="store_true", help="use the model although the source of a plugin changed")


def reading_choice(arguments: argparse.Namespace) -> ReadingChoice:
    """Return what was typed about the recording."""
    from eeg2speech_bench.benchmarks.trained.montage_matching import ChannelMap
    from eeg2speech_bench.benchmarks.trained.recording_windows import ReadingChoice

    channels = ChannelMap.read(arguments.map_channels or "")
    return ReadingChoice(channels, arguments.resample, arguments.scale)


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Speak a recording; return 0, or 130 if the user stopped it.

    Raises
    ------
    UsageError
        If the folder is there already, or the encoder needs to know who listened.
    BenchError
        If the model or the recording cannot be used.
    """
    from eeg2speech_bench.benchmarks.trained.trained_cell import load_cell
    from eeg2speech_bench.core.stages.disk_trouble import explained
    from eeg2speech_bench.core.terminal.interruption import stoppable
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    out = arguments.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"Folder {out} is not empty", then="Choose another one with --out, or remove it.")
    console = make_console()
    silence_libraries()
    cell = load_cell(arguments.record, device=arguments.device, anyway=arguments.anyway, registry=registry)
    say_verdict(cell, console)
    try:
        with stoppable(), explained(out):
            speaker = _speaker(arguments, cell)
            for note in speaker.windows.notes:
                say(console, f"Read: {note}")
            _write(arguments, speaker, console)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, it would only spoil the end
        print("Interrupted. Nothing was written.", file=sys.stderr)
        return 130
    say(console, f"Speech:   {out / 'eeg.wav'}")
    say(console, f"Controls: {', '.join(sorted(path.name for path in out.glob('control_*.wav')))} (the same file)")
    say(console, f"Pictures: {out / 'mels_0000.png'}; times, seeds and hashes: {out / 'speech.json'}")
    return 0


def say_verdict(cell: TrainedCell, console: Console) -> None:
    """Say first what the cell's own test found, so that no sound hides it."""
    about = cell.description.cell
    say(console, f"Model: {about.title}, trained on {about.dataset} (preset {about.preset}, seed {about.seed})")
    for line in cell.verdict_lines() or ["no verdict: the cell has no headline metric"]:
        say(console, f"Verdict on its test set, {line}")


def _speaker(arguments: argparse.Namespace, cell: TrainedCell) -> Speaker:
    from eeg2speech_bench.benchmarks.trained.continuous_speech import Speaker, plan_speech

    _ = cell.generator  # a cell of retrieval alone is refused before the recording is read
    windows = cell.open(arguments.file, listener=arguments.listener, reading=reading_choice(arguments))
    plan = plan_speech(cell, windows, arguments.start, arguments.stop, arguments.seed)
    return Speaker(cell, windows, plan, arguments.listener, arguments.seed, arguments.steps)


def _write(arguments: argparse.Namespace, speaker: Speaker, console: Console) -> None:
    from eeg2speech_bench.benchmarks.trained.model_folder import file_hash
    from eeg2speech_bench.benchmarks.trained.speech_files import write_speech
    from eeg2speech_bench.core.stages.atomic_folder import atomic_folder

    about = {
        "recording": str(arguments.file),
        "recording_sha256": {path.name: file_hash(path) for path in speaker.windows.files},
        "recorded_s": speaker.windows.recorded_s,
        "listener": arguments.listener,
    }

    def begins(label: str) -> AbstractContextManager[StageProgress]:
        return StageProgress(console).stage(label)

    with atomic_folder(arguments.out) as working:
        write_speech(working, speaker, about, begins)
