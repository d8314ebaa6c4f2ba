"""Starting costs little: what is heavy loads on first use."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

HEAVY = {
    "xarray",
    "numpy",
    "pandas",
    "numba",
    "dask",
    "zarr",
    "matplotlib",
    "bokeh",
    "larch",
    "scipy",
    "pint",
    "napari",
}


@pytest.mark.parametrize("module", ["operando", "operando.pipelines.cli"])
def test_import_loads_nothing_heavy(module: str):
    code = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_garbage_is_collected_after_a_command_has_started_without_looking_for_any():
    code = """
        import gc
        from operando.pipelines.cli import _imports

        before = gc.get_threshold()
        with _imports():
            import dask.array
            during = gc.get_threshold()
        dask.array.arange(100, chunks=10)[::-1][3:50].compute()
        print(gc.isenabled(), gc.get_threshold() == before, during > before, gc.get_freeze_count() > 10000)
    """
    told = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True"] * 4


def test_public_names_are_found_on_first_use():
    import operando

    assert callable(operando.open)
    assert callable(operando.link)
    assert callable(operando.timeline)
    assert not [name for name in operando.__all__ if not hasattr(operando, name)]
