"""Compiled kernels: one decorator, so that every kernel can be cached, pickled and called from any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """Return ``function`` compiled on first call, without the interpreter's lock, its machine code kept on disk.

    Division by zero follows IEEE 754. Where no folder can be written (a read-only installation) the code is
    compiled afresh in every process.
    """
    return _compiled(function, fastmath=False)


def compiled_sums(function: Kernel) -> Kernel:
    """Return ``function`` compiled as by :func:`compiled`, its sums in whatever order is fastest.

    The order is set when it is compiled, so that the same numbers still give the same result, NaN and infinities
    included.
    """
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"})


def _compiled(function: Kernel, *, fastmath: bool | set[str]) -> Kernel:
    try:
        return cast(Kernel, njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function))
    except RuntimeError:
        return cast(Kernel, njit(nogil=True, error_model="numpy", fastmath=fastmath)(function))
