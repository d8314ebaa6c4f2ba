"""What a step and a technique are to a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_type_hints

import xarray as xr
from pydantic import BaseModel, ConfigDict, create_model

from operando.errors import OperandoError

if TYPE_CHECKING:
    from operando.schema import Layout
    from operando.sniff import Format

SIGNAL = "signal"


@dataclass(frozen=True)
class Technique:
    """Where a technique lives, the axis that its scans share, and how its raw data are kept.

    Quantities named in ``referenced`` (stacks of images) stay in their files: the store holds the rest of the scan
    and where it came from. Such scans are read and worked up one by one. ``spectra`` is the technique whose readers
    and steps serve references, if not its own.
    """

    name: str
    axis: str
    package: str
    referenced: tuple[str, ...] = ()
    spectra: str = ""

    def formats(self) -> tuple[Format, ...]:
        """Return the technique's readers."""
        table: tuple[Format, ...] = import_module(f"{self.package}.formats").FORMATS
        return table

    def layout(self, which: str) -> Layout:
        """Return the layout of the technique's ``raw`` or ``processed`` node, or of a step over all scans."""
        layout: Layout = getattr(import_module(f"{self.package}.layout"), which.upper())
        return layout

    def read(self, *args: Any, **settings: Any) -> xr.Dataset:
        """Read one scan."""
        scan: xr.Dataset = import_module(self.package).read(*args, **settings)
        return scan


@dataclass(frozen=True)
class Step:
    """A step of a recipe: its keyword parameters are the recipe's keys, its positional ones say what it works on.

    ======================  =======================================================================
    positional parameters   what the step returns
    ======================  =======================================================================
    ``scan, place``         one scan of what a file holds, such as projections, made of it before it joins the
                            series; ``place`` is where what is made is kept, None if it is only tried
    ``raw``                 the scans as the next steps shall see them; the store keeps those measured
    ``raw, processed``      ``processed`` with more variables
    ``series``              from all scans of the processed series, lazily given: a node of its own
    ``raw, series``         the same, from the scans as measured and prepared, too
    ======================  =======================================================================

    Any of them may also take the ``references``; the ``first`` scan of the series as it was worked up, and
    ``first_raw``, that scan as the steps see it, for scans that shall share what was found in it (both are empty while
    the first one itself is worked up); and ``previous_raw``, likewise the scan before, so that scans are compared one
    with the next, two at a time. ``after`` is the step whose results it works on. ``tried`` says of a step over all
    scans that one scan is enough to tell whether it suits them, so that a recipe is tried with it before a run.
    """

    run: Callable[..., xr.Dataset]
    after: str = ""
    tried: bool = False

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The names of the positional parameters."""
        parameters = inspect.signature(self.run).parameters.values()
        return tuple(par.name.strip("_") for par in parameters if par.kind is not par.KEYWORD_ONLY)

    @property
    def prepares(self) -> bool:
        """Whether it changes the scans before they are worked up."""
        return "raw" in self.inputs and not {"processed", "series"} & set(self.inputs)

    @property
    def makes_scans(self) -> bool:
        """Whether it makes the scans of what the files hold."""
        return "scan" in self.inputs

    @property
    def needs_all(self) -> bool:
        """Whether it needs all scans of the series."""
        return "series" in self.inputs

    @cached_property
    def parameters(self) -> type[BaseModel]:
        """The step's parameters, types and defaults, from its signature."""
        hints = get_type_hints(self.run)
        keywords = [par for par in inspect.signature(self.run).parameters.values() if par.kind is par.KEYWORD_ONLY]
        fields: dict[str, Any] = {
            par.name: (hints[par.name], ... if par.default is par.empty else par.default) for par in keywords
        }
        return create_model(self.run.__name__, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)

    def validated(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with their types checked.

        Raises
        ------
        pydantic.ValidationError
            For an unknown parameter, a missing one or a wrong type.
        """
        return dict(self.parameters.model_validate(dict(given)))


def with_result(processed: xr.Dataset, result: xr.Dataset) -> xr.Dataset:
    """Return ``processed`` with a step's variables, its flags and its history."""
    return processed.assign_coords(result.coords).assign(result.data_vars).assign_attrs(result.attrs)


def normalized_of(step: str, processed: xr.Dataset) -> xr.DataArray:
    """Return the normalized absorption, or say which step makes it."""
    if "normalized" not in processed:
        raise OperandoError(f"{step}: expected normalized absorption, got none; put the step 'normalize' before it")
    return processed["normalized"]


def noise_of(processed: xr.Dataset) -> xr.DataArray | None:
    """Return the noise of every point of normalized spectra, in edge steps, if it is that of counting and of I0."""
    from operando import xas

    counted = xas.xpeem.counting_noise(processed, shared=True)
    return None if counted is None else counted / abs(processed["edge_step"])


def one_signal(spectra: xr.DataArray, name: str) -> str:
    """Return the name of a signal that the spectra have."""
    known = [str(one) for one in spectra[SIGNAL].values] if SIGNAL in spectra.dims else []
    if name not in known:
        raise OperandoError(f"expected a signal among {', '.join(known) or 'several in normalize'}, got {name!r}")
    return name
