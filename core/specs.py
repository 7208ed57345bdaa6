"""Defines what plugins declare: values without torch that name their code and load it when it is used."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from eeg2speech_bench.core.errors import BenchError, UnknownNameError


@dataclass(frozen=True)
class Spec:
    """Is the base of all declarations.

    Attributes
    ----------
    name : str
        What users type.
    target : str
        ``"package.module:attribute"``, imported on first use.
    summary : str
        One line for listings.
    """

    name: str
    target: str
    summary: str = ""

    #: what listings and messages call this kind of thing
    kind = "plugin"

    def load(self) -> Any:
        """Import and return what ``target`` names.

        Raises
        ------
        BenchError
            If the module or the attribute cannot be imported; other plugins are not touched.
        """
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # whatever a plugin does at import costs itself alone
            raise BenchError(
                f"{self.kind.capitalize()} '{self.name}' could not be imported from {self.target}",
                got=f"{type(error).__name__}: {error}",
                then="Install what it needs; everything else works.",
            ) from error

    def check_options(self, options: Iterable[str]) -> None:
        """Refuse options that the constructor does not take, since they would have no effect; none load nothing.

        Raises
        ------
        UnknownNameError
            With the options that there are.
        """
        if not (options := list(options)):
            return
        parameters = inspect.signature(self.load().__init__).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
        known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        for name in options:
            if name not in known:
                raise UnknownNameError(f"option of {self.kind} '{self.name}'", name, known)


@dataclass(frozen=True)
class EncoderSpec(Spec):
    """Declares a conditioning encoder.

    ``target`` names a subclass of `core.conditioning.Encoder`.

    Attributes
    ----------
    modality : str
        What it reads: ``"eeg"``, or the ``"text"`` or ``"audio"`` of the segment (references, not decoders). Controls
        destroy that signal.
    needs : tuple of str
        What the data must have: ``"positions"``, ``"transcript"``, ``"audio"``.
    audio_target : str, optional
        The audio target this encoder is fitted to where it cannot follow the preset's (a closed-form fit cannot
        train a target jointly); shown in the plan and the record.
    baseline : bool
        True for floors and controls; the board marks them.
    ceiling : bool
        True for references that see the audio itself; the board marks them.
    on_request : str
        Why it runs only when named and not with ``--encoder all``: a licence, a size. Empty for all others.
    pretrained : str
        Weights it can start from, and what those were trained on; empty if there are none.
    alignment : dict of str to float
        Optimiser settings of its own (``learning_rate``, ``weight_decay``) instead of the preset's; shown per row.
    licence, citation : str
    identity : str
        Hash of what ``target`` does not name, such as weights in memory; part of the keys of its stages.
    """

    modality: Literal["eeg", "text", "audio"] = "eeg"
    needs: tuple[str, ...] = ()
    audio_target: str | None = None
    baseline: bool = False
    ceiling: bool = False
    on_request: str = ""
    pretrained: str = ""
    alignment: Mapping[str, float] = field(default_factory=dict, hash=False)
    licence: str = "Apache-2.0"
    citation: str = ""
    identity: str = ""
    kind = "encoder"


@dataclass(frozen=True)
class TargetSpec(Spec):
    """Declares an audio target.

    ``target`` names a subclass of `core.conditioning.Target`.
    """

    kind = "target"


@dataclass(frozen=True)
class DatasetSpec(Spec):
    """Declares a data set.

    ``target`` names ``open(argument: str | None, cache: Path, report) -> SpeechDataset``.

    ``argument`` is what follows the colon in ``--dataset NAME:ARGUMENT``, or None; ``report`` takes one line of text.
    """

    argument: str = ""
    licence: str = ""
    kind = "dataset"


@dataclass(frozen=True)
class PreparationSpec(Spec):
    """Declares the step from a data set to a segment store.

    ``target`` names ``prepare(dataset, settings, out, progress)``.

    Attributes
    ----------
    resumes : bool
        Whether it is called with `core.stages.checkpoints.StageCheckpoints` as well, and goes on from what it has left
        in their folder when it is killed.
    continuous : str
        ``"package.module:function"`` that is called with a `core.segments.recordings.Recording` and the settings, and
        returns its EEG as a `core.segments.continuous_eeg.ContinuousEeg`, cleaned and resampled by the same code as
        that of segments. Empty: models that were trained on its segments read no recordings.
    """

    resumes: bool = False
    continuous: str = ""
    kind = "preparation"

    def load_continuous(self) -> Any:
        """Import and return what ``continuous`` names."""
        return Spec(self.name, self.continuous).load()


@dataclass(frozen=True)
class MetricSpec(Spec):
    """Declares a metric.

    ``target`` names a function that returns one value per segment, shape (n,), or one number per set.

    Attributes
    ----------
    needs : str
        ``"scores"``: called with the score matrix (n, m), the true columns (n,) and, where ``pool`` names one, the
        keyword ``pool``, which columns are candidates (n, m).
        ``"clips"``: called with generated and reference `core.segments.clips.Clips`.
        ``"set"``: called as a metric of clips; returns one number for all of them, NaN where it is not defined.
    pool : str
        Candidates of a metric of scores (``docs/metrics.md`` lists the pools); empty: all test windows, no two of
        which overlap. ``"word-onset"`` scores windows that start at words instead of the test windows.
    label, note : str
        What tables call it (short, with its unit; empty: its name), and one line on it.
    low, high : float, optional
        Values that it cannot leave; records with others are refused.
    aggregate : str
        How a cell's value is made of the segments' values.
    chance : float, optional
        Level that guessing reaches, for metrics of clips; that of a metric of scores is what it gives when all
        candidates score the same.
    identifies_by : str
        ``"package.module:function"``, the metric of scores by which a metric of clips picks the true one among all
        references; its guessing gives chance and its band.
    baseline : str
        ``"package.module:function"`` that is called with a metric of clips and the references, and returns the level
        that knowing nothing of the single clip reaches, or None. Empty: there is none to show.
    headline : bool
        True for the metrics by which a cell is told from no signal.
    extended : bool
        True for metrics that cost much, or need more packages; measured where ``scores.extended`` is set.
    alone : bool
        True for metrics of clips that compare nothing with the true speech, so that it is measured by them too, as the
        condition ``"reference"``.
    takes : tuple of str
        What it is called with beside that. Metrics of clips and sets: ``"texts"``, the words spoken in each clip;
        ``"model"``, the path or hub id under ``scores.models``. Metrics of scores in the pool ``"word-onset"``:
        ``"words"`` instead of ``pool``, the spelling of the word that each candidate starts with, shape (m,).
    model : str
        Key of that model.
    available : str
        ``"package.module:function"`` that is called with the model or None, and returns why the metric cannot be
        measured here and what to type, or None if it can. Empty: always.
    """

    needs: Literal["scores", "clips", "set"] = "scores"
    pool: str = ""
    label: str = ""
    note: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    higher_is_better: bool = True
    version: int = 1
    aggregate: Literal["mean", "median"] = "mean"
    chance: float | None = None
    identifies_by: str = ""
    baseline: str = ""
    headline: bool = False
    extended: bool = False
    alone: bool = False
    takes: tuple[str, ...] = ()
    model: str = ""
    available: str = ""
    kind = "metric"

    def unavailable(self, models: Mapping[str, str]) -> str | None:
        """Return why the metric cannot be measured here, None if it can."""
        if not self.available:
            return None
        reason: str | None = Spec(self.name, self.available).load()(models.get(self.model))
        return reason


@dataclass(frozen=True)
class CommandSpec(Spec):
    """Declares a verb of the command line.

    ``target`` names ``run(arguments, registry) -> int``.

    ``configure`` names ``configure(parser)`` in a module that imports nothing heavy. A verb that works on what is
    there already says ``loads_plugins=False``, and keeps working whatever is installed.
    """

    configure: str = ""
    loads_plugins: bool = True
    kind = "command"

    def load_configure(self) -> Any:
        """Import the function that adds the verb's options to an `argparse` parser."""
        return Spec(self.name, self.configure).load()
