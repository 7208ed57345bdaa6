"""Says while EEG is recorded which of several sounds is heard, or speaks it (the verb ``live``)."""

from __future__ import annotations

import argparse
import math
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from eeg2speech_bench.benchmarks.commands import absolute, count
from eeg2speech_bench.benchmarks.generate_command import (
    add_matching_options,
    add_record,
    reading_choice,
    say_verdict,
)
from eeg2speech_bench.core.errors import DataError, UsageError
from eeg2speech_bench.core.registry.registry import Registry
from eeg2speech_bench.core.terminal.progress import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from eeg2speech_bench.benchmarks.live.known_sounds import KnownSounds
    from eeg2speech_bench.benchmarks.live.live_results import LiveResults, WindowSpeech
    from eeg2speech_bench.benchmarks.live.lsl_stream import LslStream, MarkerStream
    from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow, StreamDecoder
    from eeg2speech_bench.benchmarks.live.stream_events import Event, StreamEvents
    from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell

#: volts, millivolts, microvolts, nanovolts
UNIT_NAMES = ("V", "mV", "uV", "nV")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``live``."""
    add_record(parser)
    parser.add_argument("--stream", required=True, metavar="NAME", help="LSL stream of the EEG")
    parser.add_argument("--candidates", type=Path, metavar="FOLDER", help="sounds that may be heard")
    parser.add_argument("--wav", type=absolute, metavar="FOLDER", help="new folder for speech, a file per window")
    parser.add_argument("--out", type=absolute, required=True, metavar="DIR", help="new folder for what is found")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        "--onset",
        type=float,
        default=0.0,
        metavar="S",
        help="second of the stream, from the first sample received, at which the sounds begin (default: 0)",
    )
    begin.add_argument("--marker", metavar="TEXT", help="they begin whenever this marker comes")
    parser.add_argument(
        "--marker-stream", metavar="NAME", help="LSL stream of the markers (default: that of --stream, -annotations)"
    )
    parser.add_argument(
        "--calibrate",
        type=float,
        default=30.0,
        metavar="S",
        help="first seconds of the stream, which 'file' of --scale stands for (default: 30)",
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="leave the stream after so many seconds of it")
    parser.add_argument("--unit", choices=UNIT_NAMES, help="unit of the stream, if it does not say it itself")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise of --wav (default: 0)")
    parser.add_argument("--steps", type=count, metavar="N", help="sampling steps of --wav (default: those of the cell)")
    add_matching_options(parser)


def run(arguments: argparse.Namespace, registry: Registry) -> int:
    """Follow a stream until it ends; return 0.

    Raises
    ------
    UsageError
        If nothing is asked for, or a folder is there already.
    BenchError
        If the model, the stream or a sound cannot be used, or mne-lsl is not installed.
    """
    from eeg2speech_bench.benchmarks.live.lsl_stream import require_lsl
    from eeg2speech_bench.benchmarks.trained.trained_cell import load_cell
    from eeg2speech_bench.core.stages.atomic_folder import atomic_folder
    from eeg2speech_bench.core.stages.disk_trouble import explained
    from eeg2speech_bench.core.terminal.interruption import stoppable
    from eeg2speech_bench.core.terminal.quiet import silence_libraries

    _refuse_folders(arguments)
    silence_libraries()
    require_lsl()
    console = make_console()
    cell = load_cell(arguments.record, device=arguments.device, anyway=arguments.anyway, registry=registry)
    say_verdict(cell, console)
    with stoppable(), explained(arguments.out), atomic_folder(arguments.out) as working:
        error = _follow(arguments, cell, working, console)
    say(console, f"Table: {arguments.out / 'matches.csv'}; summary: {arguments.out / 'live.json'}")
    if error is not None:
        raise error
    return 0


def _refuse_folders(arguments: argparse.Namespace) -> None:
    if arguments.candidates is None and arguments.wav is None:
        raise UsageError("Nothing is asked for", expected="--candidates, --wav or both")
    for option, folder in (("--out", arguments.out), ("--wav", arguments.wav)):
        if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is there already", then=f"Choose another folder with {option}.")


def _follow(arguments: argparse.Namespace, cell: TrainedCell, working: Path, console: Console) -> DataError | None:
    """Decode the stream to its end, or until Ctrl-C, and write what was found; return an error that came too late."""
    from eeg2speech_bench.benchmarks.live.known_sounds import KnownSounds
    from eeg2speech_bench.benchmarks.live.live_results import LiveResults, WindowSpeech
    from eeg2speech_bench.benchmarks.live.lsl_stream import LslStream
    from eeg2speech_bench.benchmarks.trained.listening_task import sounds_of_folder

    # what takes long is done before the first sample comes
    sounds = KnownSounds(cell.candidates(sounds_of_folder(arguments.candidates)) if arguments.candidates else [])
    speech = WindowSpeech(cell, arguments.wav, arguments.seed, arguments.steps) if arguments.wav else None
    with ExitStack() as opened:
        markers = _markers(arguments)  # opened first, so that none comes too early
        if markers is not None:
            opened.callback(markers.close)
        stream = LslStream(arguments.stream, arguments.unit)
        opened.callback(stream.close)
        events = _events(arguments, cell, stream, sounds, markers)
        for note in events.decoder.windows.notes:
            say(console, f"Read: {note}")
        _say_start(arguments, events.decoder, console)
        return _tell_all(arguments, events, LiveResults(working, sounds.names), speech, console)


def _markers(arguments: argparse.Namespace) -> MarkerStream | None:
    from eeg2speech_bench.benchmarks.live.lsl_stream import MarkerStream

    if arguments.marker is None:
        return None
    return MarkerStream(arguments.marker_stream or f"{arguments.stream}-annotations", arguments.marker)


def _events(
    arguments: argparse.Namespace,
    cell: TrainedCell,
    stream: LslStream,
    sounds: KnownSounds,
    markers: MarkerStream | None,
) -> StreamEvents:
    """Prepare what follows the stream."""
    from eeg2speech_bench.benchmarks.live.stream_buffer import StreamBuffer
    from eeg2speech_bench.benchmarks.live.stream_decoder import StreamDecoder
    from eeg2speech_bench.benchmarks.live.stream_events import StreamEvents
    from eeg2speech_bench.benchmarks.live.stream_windows import StreamWindows

    reading, name = reading_choice(arguments), f"LSL stream '{arguments.stream}'"
    windows = StreamWindows(StreamBuffer(stream.info), cell, reading, arguments.listener, arguments.calibrate, name)
    decoder = StreamDecoder(windows, cell, sounds)
    if markers is None:
        decoder.begin(arguments.onset)
    return StreamEvents(stream, decoder, markers, arguments.seconds)


def _tell_all(
    arguments: argparse.Namespace,
    events: StreamEvents,
    results: LiveResults,
    speech: WindowSpeech | None,
    console: Console,
) -> DataError | None:
    """Say what happens until the stream ends, and sum it up; return an error that came after the first window."""
    late = None
    try:
        for event in events:
            _tell(event, events, results, speech, console)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed once more, it would only spoil the end
    except DataError as error:
        if not results.decoded:
            raise
        late, events.ended = error, str(error)  # what was found before it is kept
    summary = results.write_summary(events.decoder.windows, _about(arguments, events, speech))
    _show(summary, speech, console)
    return late


def _say_start(arguments: argparse.Namespace, decoder: StreamDecoder, console: Console) -> None:
    begin = f"when marker '{arguments.marker}' comes" if arguments.marker else f"at {arguments.onset:g} s of the stream"
    say(console, f"Sounds begin {begin}; Ctrl-C ends.")
    if decoder.windows.calibrated_s:
        say(console, f"The first {decoder.windows.calibrated_s:g} s are for the scale of the channels alone ...")


def _tell(
    event: Event, events: StreamEvents, results: LiveResults, speech: WindowSpeech | None, console: Console
) -> None:
    """Say what happened, and keep what was found."""
    from eeg2speech_bench.benchmarks.live.stream_buffer import Gap
    from eeg2speech_bench.benchmarks.live.stream_decoder import DecodedWindow, DroppedWindow
    from eeg2speech_bench.benchmarks.live.stream_events import Calibrated
    from eeg2speech_bench.core.terminal.interruption import uninterrupted

    if isinstance(event, DecodedWindow):
        delay_s = events.stream.age_s(event.newest_stamp)
        say(console, f"{event.start_s:8.2f} s  {_found(event, results.names)}delay {delay_s:.2f} s")
        with uninterrupted():
            results.add(event, delay_s)
        if speech is not None:
            _speak(event, events, speech, delay_s, console)
    elif isinstance(event, DroppedWindow):
        say(console, f"{event.start_s:8.2f} s  not decoded: {event.why}")
        results.dropped.append(event)
    elif isinstance(event, Gap):
        sfreq = events.buffer.sfreq
        say(console, f"{event.first / sfreq:8.2f} s  LOST: {event.stop - event.first} samples did not come")
    elif isinstance(event, Calibrated):
        say(console, f"Read: {event.said}")
    else:
        say(console, f"{event.at_s:8.2f} s  marker: the sounds begin")


def _found(window: DecodedWindow, names: list[str]) -> str:
    """Say which sound goes best with a window, which is the second, and by how much."""
    known = [k for k in range(len(names)) if not math.isnan(window.scores[k])]
    best = sorted(known, key=lambda k: -window.scores[k])[:2]
    said = [
        f"{names[k]} {window.scores[k]:+.3f}"
        + ("" if math.isnan(window.matches[k]) else f" ({window.matches[k]:+.1f} sd)")
        for k in best
    ]
    margin = f"margin {window.scores[best[0]] - window.scores[best[1]]:.3f}; " if len(best) > 1 else ""
    return f"{', then '.join(said)}; {margin}" if said else ""


def _speak(window: DecodedWindow, events: StreamEvents, speech: WindowSpeech, delay_s: float, console: Console) -> None:
    """Speak a window unless the next one is due already: what is heard comes first."""
    windows = events.decoder.windows
    if delay_s > windows.ahead_s[0] + windows.settings.window_s:
        speech.skipped += 1
        say(console, f"{window.start_s:8.2f} s  not spoken: making speech takes longer than a window")
        return
    path = speech.write(window)
    say(
        console, f"{window.start_s:8.2f} s  spoken: {path.name}, after {events.stream.age_s(window.newest_stamp):.2f} s"
    )


def _about(arguments: argparse.Namespace, events: StreamEvents, speech: WindowSpeech | None) -> dict[str, Any]:
    cell = events.decoder.cell
    return {
        "cell": cell.description.cell.id,
        "verdict": {name: verdict.model_dump() for name, verdict in cell.verdict.items()},
        "verdict_in_words": cell.verdict_lines(),
        "stream": arguments.stream,
        "source_id": events.stream.about.source_id,
        "listener": arguments.listener,
        "onset_s": None if arguments.marker else arguments.onset,
        "marker": arguments.marker,
        "ended": events.ended,
        "spoken": speech.spoken if speech else [],
        "n_not_spoken": speech.skipped if speech else 0,
        "seed": arguments.seed,
    }


def _show(summary: dict[str, Any], speech: WindowSpeech | None, console: Console) -> None:
    say(console, f"Ended: {summary['ended']}")
    table = Table("candidate", "match", "best in", "windows", box=None, pad_edge=False)
    for one in summary["candidates"]:
        match = "" if one["mean_match"] is None else f"{one['mean_match']:+.2f} sd"
        share = "" if one["first_share"] is None else f"{one['first_share']:.0%}"
        table.add_row(Text(one["name"]), match, share, str(one["n_windows"]))
    if summary["candidates"]:
        console.print(table)
        say(console, "match: mean score in standard deviations of scores at other moments of the same sound")
    say(console, f"Samples: {summary['n_received']} received, {summary['n_lost']} lost")
    n, n_dropped = summary["n_windows"], len(summary["dropped"])
    say(console, f"Windows: {n} decoded, {n_dropped} not" + (f", {speech.skipped} not spoken" if speech else ""))
    delay, waits_s = summary["delay"], summary["waits_s"]
    if n:
        text = f"median {delay['median_s']:.2f} s, worst {delay['worst_s']:.2f} s ({waits_s:.2f} s of it is waited)"
        say(console, f"Delay from the newest sample of a window to its result: {text}")
