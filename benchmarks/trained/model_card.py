"""Writes the card of a model for the Hugging Face hub, from the record of its cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eeg2speech_bench.benchmarks.trained.model_folder import ModelDescription
from eeg2speech_bench.core.conditions import BY_NAME, condition_label
from eeg2speech_bench.core.errors import ContractError
from eeg2speech_bench.core.records.metrics import Metric
from eeg2speech_bench.core.records.record import Record
from eeg2speech_bench.core.segments.channel_types import signal_name

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

#: the hub's own word for what the model does first; it has none for what reads EEG
TASK = "feature-extraction"
#: of values in the metadata; sums of shares end in rounding
DIGITS = 6
#: a data set's name that the hub can take for one of its own
_DATASET = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
#: of what Markdown, or HTML in it, makes something: signs, addresses, and what begins a list
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~&$@]|:(?=//)|(?<=www)\.|^[-+=]")
_NUMBERED = re.compile(r"^(\d+)([.)])")
#: settings that name weights from elsewhere, by parts of their names
_WEIGHTS = ("checkpoint", "model", "weights")


@dataclass(frozen=True)
class Licences:
    """Under which licences weights and data come: the first as the hub spells it, the second as the data set says."""

    weights: str
    data: str


def write_card(record: Record, description: ModelDescription, repository: str, licences: Licences) -> str:
    """Return the card: metadata in the hub's schema, then what a reader must know.

    Parameters
    ----------
    record : Record
    description : ModelDescription
    repository : str
        ``OWNER/NAME`` that it will lie in.
    licences : Licences

    Raises
    ------
    ContractError
        If the hub's library does not read the metadata back as they were.
    """
    from huggingface_hub import ModelCard

    data = _metadata(record, description, repository, licences)
    card = f"---\n{data.to_yaml()}\n---\n\n{_body(record, description, repository, licences)}"
    if ModelCard(card).data.to_dict() != data.to_dict():
        raise ContractError("The metadata of the card do not come back as they were", got=data.to_yaml()[:300])
    return card


def _metadata(record: Record, description: ModelDescription, repository: str, licences: Licences) -> ModelCardData:
    from huggingface_hub import ModelCardData

    dataset = record.dataset.name
    return ModelCardData(
        license=licences.weights,
        library_name="eeg2speech-bench",
        pipeline_tag=TASK,
        datasets=[dataset] if _DATASET.fullmatch(dataset) else None,
        tags=[
            signal_name(record.settings.data.picks).lower(),
            "speech",
            "brain-decoding",
            *(["speech-generation"] if description.generates else []),
        ],
        model_name=repository.partition("/")[2],
        eval_results=[_result(record, metric) for metric in _headlines(record)] or None,
    )


def _result(record: Record, metric: Metric) -> Any:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type=TASK,
        task_name=f"Which speech was heard, from unseen {_recorded(record)}",
        dataset_type=record.dataset.name,
        dataset_name=record.dataset.name,
        dataset_split="test",
        dataset_revision=record.dataset.revision,
        metric_type=metric.name,
        metric_name=f"{metric.title}, {condition_label(metric.condition, record.reads)}",
        metric_config=metric.condition,
        metric_value=round(metric.value, DIGITS),
    )


def _headlines(record: Record) -> list[Metric]:
    """Return the metrics that the verdict is about, under all conditions, in the order of conditions."""
    order = list(BY_NAME)
    headlines = [metric for metric in record.metrics if metric.name in record.verdict]
    return sorted(headlines, key=lambda m: (list(record.verdict).index(m.name), _place(m.condition, order)))


def _place(condition: str, order: list[str]) -> int:
    return order.index(condition) if condition in order else len(order)


def _body(record: Record, description: ModelDescription, repository: str, licences: Licences) -> str:
    parts = [
        f"# {plain(record.cell.title)} on {plain(record.dataset.name)}",
        "A model of eeg2speech-bench. This card was written from the record of its run, `record.json`.",
        "## Verdict",
        *_verdict(description),
        "## Scores beside controls",
        *_scores(record),
        "## What it was trained on",
        *_training(record, description),
        "## How to use it",
        *_usage(description, repository),
        "## Licences",
        *_licences(description, licences),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(description: ModelDescription) -> Iterator[str]:
    yield "\n".join(f"- {plain(line)}" for line in description.verdict_lines() or ["none: no headline metric"])
    if not all(verdict.distinguishable for verdict in description.verdict.values()) or not description.verdict:
        yield "**Where a score is not distinguishable from no signal, it says nothing about what was heard.**"


def _scores(record: Record) -> Iterator[str]:
    headlines = _headlines(record)
    titles = {metric.name: metric.title for metric in headlines}
    conditions = list(dict.fromkeys(metric.condition for metric in sorted(headlines, key=_by_condition)))
    by_place = {(metric.condition, metric.name): metric for metric in headlines}
    yield "\n".join(
        [
            _row(["", *map(plain, titles.values())]),
            _row(["---"] * (len(titles) + 1)),
            *(
                _row([plain(_label(record, name)), *(_cell(by_place.get((name, metric))) for metric in titles)])
                for name in conditions
            ),
            _row(["guessing", *(_chance(by_place, metric) for metric in titles)]),
        ]
    )
    yield "Values on the test segments, which the training did not see, with their intervals."


def _by_condition(metric: Metric) -> int:
    return _place(metric.condition, list(BY_NAME))


def _label(record: Record, name: str) -> str:
    kind = BY_NAME[name].kind if name in BY_NAME else ""
    return f"{condition_label(name, record.reads)}{' (control)' if kind == 'control' else ''}"


def _recorded(record: Record) -> str:
    """Return what was recorded of the listeners, whatever the encoder reads."""
    return signal_name(record.settings.data.picks)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(metric: Metric | None) -> str:
    return "" if metric is None else f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def _chance(by_place: Mapping[tuple[str, str], Metric], name: str) -> str:
    signal = by_place.get(("eeg", name))
    return "" if signal is None or signal.chance is None else f"{signal.chance:.3f}"


def _training(record: Record, description: ModelDescription) -> Iterator[str]:
    dataset, signal, recorded = record.dataset, description.signal, _recorded(record)
    segments = ", ".join(f"{n} {plain(part)}" for part, n in dataset.n_segments.items())
    facts = {
        "Data set": f"{plain(dataset.name)}, revision {plain(dataset.revision)}",
        "About it": plain(dataset.about),
        "Null data": f"its {recorded} and speech are independent: there is nothing to be found"
        if dataset.is_null
        else "",
        "Listeners": f"{len(description.listeners)} in training, {len(description.held_out)} in the test alone",
        "Segments": segments,
        _recorded(
            record
        ): f"{signal.n_chans} channels at {signal.sfreq:g} Hz, windows of {description.config.data.window_s:g} s",
        "Encoder": _made_by(description.encoder),
        "Audio target": _made_by(description.target),
        "Preset": f"{plain(record.cell.preset)}, version {record.cell.preset_version}; seed {record.cell.seed}",
        "Makes speech": "yes" if description.generates else "no: it was scored by retrieval alone",
    }
    yield "\n".join(f"- {name}: {text}" for name, text in facts.items() if text)
    yield f"It is of use for {recorded} of the same channels, rates and listeners; all else it refuses until told how."


def _made_by(origin: Any) -> str:
    return f"{plain(origin.name)} of {plain(origin.distribution)} {plain(origin.version)}"


def _usage(description: ModelDescription, repository: str) -> Iterator[str]:
    listener = next(iter(description.listeners), "new")
    lines = [
        "from eeg2speech_bench.benchmarks.trained.trained_cell import TrainedCell",
        f'cell = TrainedCell.from_hub("{repository}")',
        'print(*cell.verdict_lines(), sep="\\n")',
        f'condition = cell.encode("recording.vhdr", listener={listener!a})',
        "clips = cell.generate(condition, seed=0)"
        if description.generates
        else f'cell.rank("recording.vhdr", {{"one": "one.wav", "other": "other.wav"}}, listener={listener!a})',
    ]
    yield "\n".join(["```python", *lines, "```"])
    pull = f"eeg2speech-bench model pull {repository} --out model"
    verb = "generate" if description.generates else "listen"
    yield f"In a shell: `{pull}`, then `eeg2speech-bench {verb} model ...`."
    yield "Nothing in the repository is run: it holds tensors (safetensors) and JSON."


def _licences(description: ModelDescription, licences: Licences) -> Iterator[str]:
    foreign = weights_elsewhere(description)
    weights = "not stated by who sent them" if licences.weights == "unknown" else licences.weights
    facts = {
        "Of the weights": weights,
        "Of the data set that they were trained on": plain(licences.data or "not known here; ask its authors"),
        "Of the encoder's code": plain(description.encoder.licence or "as its package says"),
    }
    # where a file lies on somebody's disk is nobody's business
    named = [(setting, Path(name).name if Path(name).is_absolute() else name) for setting, name in foreign]
    elsewhere = ", ".join(f"{plain(setting)} = {plain(name)}" for setting, name in named)
    facts |= {"Of weights that it was built on, whose licence holds too": elsewhere} if elsewhere else {}
    yield "\n".join(f"- {name}: {text}" for name, text in facts.items())


def weights_elsewhere(description: ModelDescription) -> list[tuple[str, str]]:
    """Return the settings of a model that name weights of others, with what they name."""
    config = description.config
    tree = {"encoder": description.encoder.options, "target": description.target.options}
    parts = ("autoencoder", "denoiser", "vocoder") if description.generates else ()
    tree |= {part: {"checkpoint": getattr(config, part).checkpoint} for part in parts}
    return list(_named(tree, ""))


def _named(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _named(value, f"{above}{key}.")
        elif isinstance(value, str) and value and any(word in key for word in _WEIGHTS):
            yield f"{above}{key}", value


def plain(text: str) -> str:
    """Return text on one line of which Markdown makes nothing but that text."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", line))
