"""The generator, the contracts, and what every room shares. Importing this package loads nothing heavy."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eeg2speech_bench.core.conditioning import Conditioning, Encoder, Target
    from eeg2speech_bench.core.conditions import CONDITIONS, Condition
    from eeg2speech_bench.core.errors import BenchError
    from eeg2speech_bench.core.hookspecs import hookimpl
    from eeg2speech_bench.core.records.record import Record
    from eeg2speech_bench.core.registry.registry import load_registry
    from eeg2speech_bench.core.segments import Batch, SignalInfo, TargetInfo
    from eeg2speech_bench.core.specs import DatasetSpec, EncoderSpec, MetricSpec, TargetSpec

    __version__: str

__all__ = [
    "CONDITIONS",
    "Batch",
    "BenchError",
    "Condition",
    "Conditioning",
    "DatasetSpec",
    "Encoder",
    "EncoderSpec",
    "MetricSpec",
    "Record",
    "SignalInfo",
    "Target",
    "TargetInfo",
    "TargetSpec",
    "__version__",
    "hookimpl",
    "load_registry",
]

_HOMES = {
    **dict.fromkeys(("Conditioning", "Encoder", "Target"), "conditioning"),
    **dict.fromkeys(("CONDITIONS", "Condition"), "conditions"),
    "BenchError": "errors",
    "hookimpl": "hookspecs",
    "Record": "records.record",
    "load_registry": "registry.registry",
    **dict.fromkeys(("Batch", "SignalInfo", "TargetInfo"), "segments"),
    **dict.fromkeys(("DatasetSpec", "EncoderSpec", "MetricSpec", "TargetSpec"), "specs"),
}


def __getattr__(name: str) -> Any:
    """Import a word of plugin authors when it is asked for: ``Encoder`` needs torch, a declaration does not."""
    if name == "__version__":
        return metadata.version("eeg2speech-bench")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
