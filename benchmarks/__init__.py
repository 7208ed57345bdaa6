"""Plans cells, runs their stages and scores them beside their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from torch.nn import Module

    from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell
    from eeg2speech_bench.core.conditioning import Encoder
    from eeg2speech_bench.core.conformance import CheckResult
    from eeg2speech_bench.core.records.record import Record
    from eeg2speech_bench.core.segments import TargetInfo
    from eeg2speech_bench.core.specs import EncoderSpec

    Given = str | EncoderSpec | type[Encoder] | Module

__all__ = ["check", "load_cell", "run"]


def run(
    encoder: Given | Sequence[Given],
    dataset: str | Path = "simulated",
    *,
    preset: str = "quick",
    seeds: int | Sequence[int] = 1,
    overrides: Mapping[str, object] | None = None,
    strategies: Sequence[str] = (),
    results: Path | str = "results",
    cache: Path | str | None = None,
    device: str = "auto",
) -> list[Record]:
    """Train and score encoders on a data set, as the verb ``run`` does.

    Parameters
    ----------
    encoder : str, EncoderSpec, class, Module, or a sequence of these
        Names of encoders, ``"all"`` or ``"baselines"``; declarations; subclasses of `core.conditioning.Encoder`; or
        networks that are built already, which map EEG (batch, n_chans, n_times) to tokens.
    dataset : str or Path
        A data set's name, ``name:argument``, or a BIDS folder.
    preset : str
    seeds : int or sequence of int
        How many, or which.
    overrides : mapping of str to object, optional
        Settings over the preset, such as ``{"scores.which": "retrieval"}``.
    strategies : sequence of str
        ``"full"``, ``"probe"``, ``"lora"``, ``"scratch"``: every encoder with pretrained weights is run under each of
        these, beside its twin with random weights.
    results, cache : Path or str
        Folders of records and of stages; by default the user's cache.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    list of Record
        One per encoder and seed, done or failed; they are in the results folder too.

    Raises
    ------
    BenchError
        If a name, a setting, the data set or a folder cannot be used.

    Examples
    --------
    >>> from eeg2speech_bench import benchmarks
    >>> records = benchmarks.run(["brainmagick", "ridge"])  # doctest: +SKIP
    """
    from eeg2speech_bench.benchmarks.given_encoders import register_encoder
    from eeg2speech_bench.benchmarks.session import RunRequest, run_cells
    from eeg2speech_bench.core.cli import default_cache
    from eeg2speech_bench.core.errors import UsageError
    from eeg2speech_bench.core.presets.config import load_config
    from eeg2speech_bench.core.registry.registry import load_registry
    from eeg2speech_bench.core.terminal.progress import make_console

    registry = load_registry()
    given: list[Given] = list(encoder) if isinstance(encoder, list | tuple) else [cast("Given", encoder)]
    if not given:
        raise UsageError("No encoder was given", then="Run 'eeg2speech-bench encoders' for their names.")
    request = RunRequest(
        encoders=tuple(register_encoder(one, registry) for one in given),
        dataset=str(dataset),
        config=load_config(preset, overrides=overrides),
        results=Path(results).expanduser(),
        cache=Path(cache).expanduser() if cache else default_cache(),
        seeds=_seeds(seeds),
        strategies=tuple(strategies),
        device=device,
    )
    return run_cells(request, registry, make_console())


def check(
    encoder: Given,
    *,
    options: Mapping[str, object] | None = None,
    target: TargetInfo | None = None,
    size: tuple[int, int] | None = None,
    only: Sequence[str] | None = None,
    device: str = "cpu",
) -> list[CheckResult]:
    """Check that an encoder keeps the contract, as the verb ``check`` does, and print a line per question.

    Parameters
    ----------
    encoder : str, EncoderSpec, class, Module or estimator
        As for `run`.
    options : mapping of str to object, optional
        Of an encoder that is not built yet.
    target : TargetInfo, optional
        Space of the embeddings; default 86 tokens of 40 numbers, and for a network that is built already the space that
        the preset ``quick`` aligns encoders to.
    size : (int, int), optional
        Channels and samples of a segment; default what a built network has as ``n_chans`` and ``n_times``, else 32
        and 346.
    only : sequence of str, optional
        Names of the checks to run.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    list of CheckResult
        ``name``, ``outcome`` (``"pass"``, ``"fail"`` or ``"skip"``) and ``reason``, which says what to change.

    Raises
    ------
    BenchError
        If it is no encoder, or there is no such check.

    Examples
    --------
    >>> from eeg2speech_bench import benchmarks
    >>> found = benchmarks.check("ridge", only=["builds"])  # doctest: +SKIP
    """
    from torch.nn import Module

    from eeg2speech_bench.benchmarks.given_encoders import built_size, register_encoder, usual_target
    from eeg2speech_bench.core.conformance import check_encoder, summary
    from eeg2speech_bench.core.registry.registry import load_registry
    from eeg2speech_bench.core.terminal.progress import make_console, say

    registry, console = load_registry(), make_console()
    spec = registry.get("encoder", register_encoder(encoder, registry))
    if isinstance(encoder, Module):
        size, target = size or built_size(encoder), target or usual_target(registry)
    found = check_encoder(spec, options=options, target=target, device=device, only=only, size=size)
    for result in found:
        say(console, f"  {result.outcome}  {result.name:<22}{result.reason}")
    say(console, f"{spec.name}: {summary(found)}")
    return found


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    from eeg2speech_bench.core.errors import UsageError

    listed = range(seeds) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds
    numbers = list(listed) if isinstance(listed, Sequence) else []
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in numbers):
        expected = "a count (3) or a list of numbers that are not negative ([0, 1, 2])"
        raise UsageError("Argument 'seeds' was not understood", got=repr(seeds), expected=expected)
    return tuple(dict.fromkeys(numbers))


def load_cell(
    source: Path | str | Record, *, results: Path | str = "results", device: str = "auto", anyway: bool = False
) -> TrainedCell:
    """Load what a cell trained, to use it on recordings.

    Parameters
    ----------
    source : Path, str or Record
        A record's file (``results/records/<cell>.json``), the folder of a model, or a record.
    results : Path or str
        The results folder of a record that is given as an object.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    anyway : bool
        Use it although the source of a plugin is not what was trained.

    Returns
    -------
    TrainedCell
        With ``verdict``, ``encode``, ``generate`` and ``save``.

    Raises
    ------
    BenchError
        If there is no model, it is damaged, or a plugin that it needs is missing or has changed.

    Examples
    --------
    >>> from eeg2speech_bench import benchmarks
    >>> cell = benchmarks.load_cell("results/records/NAME.json")  # doctest: +SKIP
    >>> clips = cell.generate(cell.encode("recording.vhdr", listener="01"), seed=0)  # doctest: +SKIP
    """
    from eeg2speech_bench.benchmarks.trained.trained_cell import load_cell as load

    return load(source, results=results, device=device, anyway=anyway)
