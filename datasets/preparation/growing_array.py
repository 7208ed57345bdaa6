"""Writes an array to disk that grows by rows, so that memory does not."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np


class GrowingArray:
    """A float32 .npy file that rows are appended to; its header is completed on leaving."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._row_shape: tuple[int, ...] | None = None
        self.n_rows = 0

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(self, *error: object) -> None:
        with self._file:
            if self._row_shape is not None:
                self._file.seek(0)
                self._write_header()

    def append(self, rows: np.ndarray) -> None:
        """Write rows below those that are there; their shape is that of the first ones."""
        if self._row_shape is None:
            self._row_shape = rows.shape[1:]
            self._write_header()
        self._file.write(np.ascontiguousarray(rows, dtype="<f4").data)
        self.n_rows += len(rows)

    def _write_header(self) -> None:
        self._file.write(npy_header((self.n_rows, *(self._row_shape or ()))))


def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a float32 .npy file; its length does not depend on the number of rows.

    numpy pads it so that the first axis can grow to 21 digits in place.
    """
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()
