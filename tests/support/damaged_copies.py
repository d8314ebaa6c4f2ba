"""Copies of a file that break off or in which one byte is another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def cut_off(data: bytes, pieces: int = 10) -> Iterator[bytes]:
    """Yield beginnings of a file, each a little longer than the one before, the last one lacking a byte."""
    for k in range(1, pieces):
        yield data[: len(data) * k // pieces]
    yield data[:-1]


def one_byte_changed(data: bytes, copies: int, seed: int, upto: int | None = None) -> Iterator[bytes]:
    """Yield copies with one byte replaced by another, at places before ``upto`` (everywhere by default)."""
    random = np.random.default_rng(seed)
    for _ in range(copies):
        at, by = int(random.integers(upto or len(data))), int(random.integers(1, 256))
        yield data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]
