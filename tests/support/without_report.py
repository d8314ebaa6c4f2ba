"""Runs whose report nobody looks at: it takes half of the time of a small one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def without_report() -> Iterator[None]:
    """Let runs within the block write no report."""
    with patch("operando.pipelines.report.write_store", lambda _store, page: page):
        yield
