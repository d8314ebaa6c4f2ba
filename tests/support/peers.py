"""Calls of other programs whose habits must not reach our tests."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_warnings_only() -> Iterator[None]:
    """Keep to itself what a peer warns of, files that it leaves open included.

    A file left open warns when it is collected, which may be within a later test: it is collected here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            gc.collect()
