"""Holds recordings, the segments cut from them, and the clips that metrics compare."""

from eeg2speech_bench.core.segments.segment_store import SPLITS, Batch, SegmentStore, SignalInfo, TargetInfo

__all__ = ["SPLITS", "Batch", "SegmentStore", "SignalInfo", "TargetInfo"]
