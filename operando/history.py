"""What was done to a dataset: a list of steps that travels in its attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

HISTORY = "history"


@cache
def software_version() -> str:
    """Return the version of operando, from its installation or its source tree."""
    try:
        return version("operando")
    except PackageNotFoundError:
        import tomllib

        project = Path(__file__).resolve().parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])


def entries(ds: xr.Dataset | xr.DataArray) -> list[dict[str, Any]]:
    """Return the steps recorded in ``ds``, oldest first.

    Parameters
    ----------
    ds
        What a function of operando returned, or a node of a store.

    Returns
    -------
    list of dict
        Each with ``step``, ``parameters`` and ``version``.
    """
    steps: list[dict[str, Any]] = json.loads(ds.attrs.get(HISTORY, "[]"))
    return steps


def recorded(
    ds: xr.Dataset, step: str, parameters: Mapping[str, Any], *, after: xr.Dataset | None = None
) -> xr.Dataset:
    """Return ``ds`` with one more step in its history.

    Parameters
    ----------
    ds
        The result of the step.
    step
        The public name of the function, such as ``"xas.normalize"``.
    parameters
        The values it used, defaults and values found from the data included.
    after
        The input, whose history the result continues; ``ds`` itself by default.

    Returns
    -------
    Dataset
        ``ds`` with the attribute ``history``.

    Notes
    -----
    No time stamp is kept: the same input and the same parameters give the same result.
    """
    steps = entries(ds if after is None else after)
    steps.append({"step": step, "parameters": _plain(parameters), "version": software_version()})
    return ds.assign_attrs({HISTORY: json.dumps(steps, ensure_ascii=False)})


def recorded_again(ds: xr.Dataset, step: str, parameters: Mapping[str, Any]) -> xr.Dataset:
    """Return ``ds`` with other parameters of a step it took before, where that stands in its history; else recorded."""
    steps, again = entries(ds), {"step": step, "parameters": _plain(parameters), "version": software_version()}
    places = [at for at, known in enumerate(steps) if known.get("step") == step]
    if not places:
        return recorded(ds, step, parameters)
    steps[places[-1]] = again
    return ds.assign_attrs({HISTORY: json.dumps(steps, ensure_ascii=False)})


def _plain(value: Any) -> Any:
    """Return ``value`` in JSON's own types; a NaN becomes null, an infinity text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
