"""The one table of steps: what a recipe may ask for, per technique."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, create_model

from operando.errors import OperandoError
from operando.history import recorded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from operando.schema import Layout
    from operando.sniff import Format


@dataclass(frozen=True)
class Technique:
    """Where a technique lives and the axis that its scans share."""

    name: str
    axis: str

    def formats(self) -> tuple[Format, ...]:
        """Return the technique's readers."""
        table: tuple[Format, ...] = import_module(f"operando.{self.name}.formats").FORMATS
        return table

    def layout(self, which: str) -> Layout:
        """Return the layout of the technique's ``raw`` or ``processed`` node."""
        layout: Layout = getattr(import_module(f"operando.{self.name}.layout"), which.upper())
        return layout

    def read(self, *args: Any, **settings: Any) -> xr.Dataset:
        """Read one scan."""
        scan: xr.Dataset = import_module(f"operando.{self.name}").read(*args, **settings)
        return scan


@dataclass(frozen=True)
class Step:
    """A step: ``run(raw, processed, **parameters)`` returns ``processed`` with more variables."""

    run: Callable[..., xr.Dataset]

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """The step's parameters, types and defaults, from its signature."""
        hints = get_type_hints(self.run)
        keywords = [par for par in inspect.signature(self.run).parameters.values() if par.kind is par.KEYWORD_ONLY]
        fields: dict[str, Any] = {par.name: (hints[par.name], par.default) for par in keywords}
        return create_model(self.run.__name__, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)

    def validated(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with their types checked.

        Raises
        ------
        pydantic.ValidationError
            For an unknown parameter or a wrong type.
        """
        return dict(self.parameters.model_validate(dict(given)))


def normalize(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    signal: str | list[str] = "mu",
    e0: float | None = None,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
    nvict: int = 0,
) -> xr.Dataset:
    """Subtract the pre-edge, divide by the edge step; several signals become the dim ``signal``."""
    from operando import xas

    if not signal:
        raise OperandoError(f"normalize: expected a signal such as 'mu' or a list of them, got {signal!r}")
    _require_order(pre1=pre1, pre2=pre2)
    _require_order(norm1=norm1, norm2=norm2)
    _require_inside(raw["energy"].to_numpy(), e0, pre2, norm1)
    named = [xas.signal(raw, name) for name in ([signal] if isinstance(signal, str) else signal)]
    mu = named[0] if isinstance(signal, str) else xr.concat(named, xr.Variable("signal", np.array(signal, object)))
    mu = mu.assign_attrs(history=recorded(processed, "xas.signal", {"name": signal}).attrs["history"])
    result = xas.normalize(mu, e0, pre1=pre1, pre2=pre2, norm1=norm1, norm2=norm2, nnorm=nnorm, nvict=nvict)
    return _with(processed, result)


def edge_energy(
    _raw: xr.Dataset, processed: xr.Dataset, *, method: str = "half_height", level: float = 0.5
) -> xr.Dataset:
    """Find where the edge crosses half its height, between the grid's energies."""
    from operando import xas

    if "normalized" not in processed:
        raise OperandoError("edge_energy: expected normalized absorption, got none; put the step 'normalize' before it")
    return _with(processed, xas.edge_energy(processed, method=method, level=level))


def _require_order(**ends: float | None) -> None:
    """Refuse a range that ends before it begins; ends counted from a scan's own ends have the other sign."""
    (first, start), (last, stop) = ends.items()
    if start is not None and stop is not None and start * stop > 0 and start >= stop:
        raise OperandoError(f"normalize: expected {first} below {last}, got {start:g} and {stop:g}")


def _require_inside(energy: NDArray[np.float64], e0: float | None, pre2: float | None, norm1: float | None) -> None:
    """Refuse an e0, a pre-edge or a post-edge that the scans do not reach, where other ones would be taken."""
    if e0 is None:
        return
    low, high = float(energy.min()), float(energy.max())
    for name, value in (("e0", e0), ("pre2", e0 + (pre2 or 0.0)), ("norm1", e0 + (norm1 or 0.0))):
        if not low <= value <= high:
            raise OperandoError(
                f"normalize: expected {name} within the scans' {low:g} to {high:g} eV, got {value:g} eV"
            )


def _with(processed: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return ``processed`` with a step's variables, its flags and its history."""
    return processed.assign_coords(result.coords).assign(result.data_vars).assign_attrs(result.attrs)


TECHNIQUES: dict[str, Technique] = {"xas": Technique("xas", "energy")}

STEPS: dict[str, dict[str, Step]] = {"xas": {"normalize": Step(normalize), "edge_energy": Step(edge_energy)}}
