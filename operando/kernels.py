"""Compiled kernels: one decorator, so that every kernel can be cached, pickled and called from any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import cfunc, njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])

_SUMS = {"fastmath": {"reassoc", "contract", "nsz"}}
_INLINED = {"forceinline": True}


def compiled(function: Kernel) -> Kernel:
    """Return ``function`` compiled on first call, without the interpreter's lock, its machine code kept on disk.

    Division by zero follows IEEE 754. Where no folder can be written (a read-only installation) the code is
    compiled afresh in every process.
    """
    return _compiled(function, {})


def compiled_sums(function: Kernel) -> Kernel:
    """Return ``function`` compiled as by :func:`compiled`, its sums in whatever order the processor is quickest.

    The order is the same in every call; NaN and infinity keep their meaning.
    """
    return _compiled(function, _SUMS)


def inlined(function: Kernel) -> Kernel:
    """Return ``function`` compiled as by :func:`compiled`, and made a part of every kernel that calls it.

    So are those between sums in any order and the kernel that Python calls. Else a process that compiles them calls
    them where they were compiled first, one that loads them from disk where they were optimized again together with
    their caller, and the same sums are rounded in two ways.
    """
    return _compiled(function, _INLINED)


def inlined_sums(function: Kernel) -> Kernel:
    """Return ``function`` compiled as by :func:`compiled_sums`, and made a part of every kernel that calls it.

    See :func:`inlined`.
    """
    return _compiled(function, _SUMS | _INLINED)


def by_address(signature: Any, function: Kernel) -> Kernel:
    """Return a function that kernels take as an argument: it is not compiled into each of them again.

    ``function`` is one of a module, not itself decorated, of the numba types in ``signature``, which raises nothing.
    """
    try:
        return cast(Kernel, cfunc(signature, cache=True)(function))
    except RuntimeError:
        return cast(Kernel, cfunc(signature)(function))


def _compiled(function: Kernel, options: dict[str, Any]) -> Kernel:
    try:
        return cast(Kernel, njit(cache=True, nogil=True, error_model="numpy", **options)(function))
    except RuntimeError:
        return cast(Kernel, njit(nogil=True, error_model="numpy", **options)(function))
