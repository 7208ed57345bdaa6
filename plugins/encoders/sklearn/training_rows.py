"""Gathers rows of lagged EEG and of the target per listener, and says how much memory they need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from eeg2speech_bench.core.conditioning import pool_tokens
from eeg2speech_bench.core.errors import DataError
from eeg2speech_bench.core.segments.segment_store import Batch
from eeg2speech_bench.plugins.encoders.lagged_eeg import LaggedEeg

#: stands for all listeners together
POOLED = -1


@dataclass(frozen=True)
class Rows:
    """Holds what one estimator is fitted on.

    Attributes
    ----------
    features : array of float32, shape (n_rows, n_features)
    target : array of float32, shape (n_rows, dim)
    """

    features: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.features)


class TrainingRows:
    """Reads training segments as rows, a batch at a time.

    Parameters
    ----------
    eeg : LaggedEeg
    dim : int
        Of the target.
    segments : iterable of (Batch, Tensor)
        Can be iterated more than once.
    per_subject : bool
        Whether each listener has rows of its own beside those of all.

    Attributes
    ----------
    counts : dict of int to int
        Rows by listener, and under `POOLED` those of all. A single listener has no rows beside those.

    Raises
    ------
    DataError
        If there are none.
    """

    def __init__(
        self, eeg: LaggedEeg, dim: int, segments: Iterable[tuple[Batch, Tensor]], *, per_subject: bool
    ) -> None:
        self.eeg, self.dim, self.segments = eeg, dim, segments
        found: Counter[int] = Counter()
        for batch, _ in segments:
            found.update(batch.subject.tolist())
        if not found:
            raise DataError("There are no training segments", then="Check the split of the data set.")
        own = dict(sorted(found.items())) if per_subject and len(found) > 1 else {}
        self.counts = {row: n * eeg.n_tokens for row, n in {**own, POOLED: found.total()}.items()}

    def held_bytes(self, limit: int) -> int:
        """Return the size of what `sample` returns."""
        return sum(min(n, limit) for n in self.counts.values()) * self._bytes_per_row

    @property
    def _bytes_per_row(self) -> int:
        return 4 * (self.eeg.n_features + self.dim)

    def blocks(self) -> Iterator[tuple[int, Rows]]:
        """Yield all rows in their order: those of each listener of a batch, or of all where none has its own."""
        for batch, target in self.segments:
            tokens = pool_tokens(target, self.eeg.n_tokens).float()
            for listener in batch.subject.unique().tolist() if len(self.counts) > 1 else [POOLED]:
                mine = (batch.subject == listener) | (listener == POOLED)
                features = self.eeg.rows(batch.eeg[mine]).flatten(0, 1)
                yield listener, Rows(features.numpy(), tokens[mine].flatten(0, 1).numpy())

    def sample(self, limit: int, rng: np.random.Generator) -> dict[int, Rows]:
        """Return rows by listener and those of all, at random where there are more than ``limit``.

        Overlapping windows hold each moment several times, so leaving rows out costs little.
        """
        samples = {row: _Sample(n, limit, self.eeg.n_features, self.dim, rng) for row, n in self.counts.items()}
        for listener, rows in self.blocks():
            for row in dict.fromkeys((listener, POOLED)):
                samples[row].take(rows)
        return {row: Rows(sample.features, sample.target) for row, sample in samples.items()}

    def chunks(self, limit: int, rng: np.random.Generator) -> Iterator[tuple[int, Rows]]:
        """Yield all rows, shuffled within chunks of about ``limit`` rows of one listener.

        Memory does not grow with the length of the recordings.
        """
        waiting: dict[int, list[Rows]] = {}
        for listener, rows in self.blocks():
            kept = waiting.setdefault(listener, [])
            kept.append(rows)
            if sum(map(len, kept)) >= limit:
                yield listener, _shuffled(waiting.pop(listener), rng)
        for listener, kept in waiting.items():
            yield listener, _shuffled(kept, rng)


class _Sample:
    """Takes a random choice of rows that come in blocks, into arrays that are made once."""

    def __init__(self, n_rows: int, limit: int, n_features: int, dim: int, rng: np.random.Generator) -> None:
        self._chosen = np.ones(n_rows, dtype=bool)
        if n_rows > limit:
            self._chosen[:] = False
            self._chosen[rng.choice(n_rows, limit, replace=False)] = True
        n_kept = min(n_rows, limit)
        self.features = np.empty((n_kept, n_features), dtype=np.float32)
        self.target = np.empty((n_kept, dim), dtype=np.float32)
        self._seen = self._filled = 0

    def take(self, rows: Rows) -> None:
        chosen = self._chosen[self._seen : self._seen + len(rows)]
        place = slice(self._filled, self._filled + int(chosen.sum()))
        self.features[place], self.target[place] = rows.features[chosen], rows.target[chosen]
        self._seen, self._filled = self._seen + len(rows), place.stop


def _shuffled(parts: list[Rows], rng: np.random.Generator) -> Rows:
    order = rng.permutation(sum(map(len, parts)))
    features, target = (np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "target"))
    return Rows(features[order], target[order])
