"""The same bits from a process that compiles kernels and from one that finds them on disk."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher


def kernels_of(package: str) -> list[Dispatcher]:
    """Return the kernels that the modules of a package define or import."""
    folder = Path(import_module(f"operando.{package}").__file__).parent
    places = [path for path in folder.rglob("*.py") if "operando.kernels import" in path.read_text("utf-8")]
    names = [".".join(("operando", package, *path.relative_to(folder).with_suffix("").parts)) for path in places]
    return [one for name in names for one in vars(import_module(name)).values() if isinstance(one, Dispatcher)]


def called(kernel: Dispatcher) -> Iterator[Dispatcher]:
    """Yield the kernels that one calls."""
    function = kernel.py_func
    for name in function.__code__.co_names:
        found = function.__globals__.get(name)
        if isinstance(found, Dispatcher):
            yield found


def sums_anyhow(kernel: Dispatcher) -> bool:
    """Return whether a kernel or one that it calls takes sums in whatever order is quickest."""
    return "fastmath" in kernel.targetoptions or any(map(sums_anyhow, called(kernel)))


# Photoemission is fitted in double precision until nothing changes; inlining costs it a fifth of the time to compile.
@pytest.mark.parametrize("package", ["tomo", "xas"])
def test_sums_in_any_order_are_part_of_the_kernel_that_python_calls(package):
    within = {one.py_func: one for kernel in kernels_of(package) for one in called(kernel) if sums_anyhow(one)}
    apart = [function.__name__ for function, one in within.items() if not one.targetoptions.get("forceinline")]
    assert apart == []
    assert within
