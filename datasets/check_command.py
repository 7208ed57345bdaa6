"""Runs ``datasets check``: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from eeg2speech_bench.core.errors import UsageError
from eeg2speech_bench.core.presets.config import load_config
from eeg2speech_bench.core.registry.dataset_opening import find_dataset, open_dataset
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.segments.prepared import Prepared
from eeg2speech_bench.core.segments.recordings import SpeechDataset
from eeg2speech_bench.core.stages.disk_trouble import explained
from eeg2speech_bench.core.stages.json_files import write_json
from eeg2speech_bench.core.terminal.progress import StageProgress, make_console, say
from eeg2speech_bench.core.terminal.quiet import silence_libraries

if TYPE_CHECKING:
    from eeg2speech_bench.datasets.checking.check_dataset import Checked


def check(arguments: argparse.Namespace, registry: Registry) -> int:
    """Check a data set; return 1 if `run` would refuse it or its scores would be wrong, else 0."""
    if not arguments.dataset:
        raise UsageError("No data set is named", then="Type eeg2speech-bench datasets check FOLDER.")
    from eeg2speech_bench.datasets.checking.check_dataset import check_dataset
    from eeg2speech_bench.datasets.checking.summary import print_report

    console = Console(stderr=True) if arguments.json else make_console()  # what is piped is JSON alone
    spec, argument = find_dataset(arguments.dataset, registry)
    given = [*arguments.set, *([f"data.picks={arguments.picks}"] if arguments.picks else [])]
    settings = load_config(arguments.preset or "quick", None, given).data
    root = Path(argument).expanduser() if spec.name == "bids" and argument else None
    silence_libraries()

    def opens() -> SpeechDataset:
        return open_dataset(spec, argument, arguments.cache, lambda line: say(console, line))

    if spec.name == "audioeeg":
        return _check_embeddings(opens(), arguments, registry, console)
    with StageProgress(console).stage("checking") as progress:
        checked = check_dataset(arguments.dataset, opens, settings, root, progress)
    if arguments.json:
        sys.stdout.write(checked.report.model_dump_json(indent=2) + "\n")
    else:
        print_report(checked.report, console)
    if arguments.out:
        _write(checked, arguments.out, console)
    return 1 if checked.report.faults else 0


def _check_embeddings(
    dataset: SpeechDataset, arguments: argparse.Namespace, registry: Registry, console: Console
) -> int:
    """Prepare embeddings into a folder that is thrown away, which reads every pair and proves the split."""
    preparation = registry.get("preparation", "embeddings").load()
    settings = load_config(arguments.preset or "eeg2speech", None, arguments.set).data
    with TemporaryDirectory() as folder, StageProgress(console).stage("checking") as progress:
        preparation(dataset, settings, Path(folder), progress)
        meta = Prepared.read(Path(folder))
    counts = ", ".join(f"{n} {split}" for split, n in meta.n_segments.items())
    say(console, f"Every embedding was read beside its sound: {counts}; the parts share no audio.")
    return 0


def _write(checked: Checked, out: Path, console: Console) -> None:
    from eeg2speech_bench.datasets.checking.pictures import draw_recording
    from eeg2speech_bench.datasets.checking.report import FILE

    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / FILE, checked.report.model_dump(mode="json"))
        for recording in checked.report.recordings:
            draw_recording(recording, checked, out / f"{recording.recording}.png")
    say(console, f"Written: {out / FILE} and {len(checked.report.recordings)} picture(s)")
