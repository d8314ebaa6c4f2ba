"""Fits of photoemission series as a store holds them, scan by scan, and fitting one scan again. Knows no window."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

import operando
from operando import xps
from operando.errors import OperandoError
from operando.history import entries
from operando.pipelines.toml_text import toml, toml_key

from .stored_series import StoredSeries

_KEYS = ("lines", "background", "links", "shifts")
_WIDE = ("lines",)


@dataclass(frozen=True)
class FittedSeries(StoredSeries):
    """The fits of one photoemission series of a store; nothing is read before it is asked for."""

    @cached_property
    def fits(self) -> xr.Dataset:
        """The fits of all scans, lazily."""
        return self.tree[f"{self.node}/processed"].to_dataset()

    @property
    def regions(self) -> list[str]:
        """The regions that were fitted together; one without a name if there is only one."""
        known = self.fits.coords.get("peak_region")
        return [""] if known is None else list(dict.fromkeys(map(str, known.values)))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Weights and window of the fit, as its history tells."""
        made = next(one for one in reversed(entries(self.fits)) if one["step"] == "xps.fit")
        window = made["parameters"].get("window")
        return {"weights": made["parameters"]["weights"], "window": None if window is None else tuple(window)}

    @property
    def model(self) -> str:
        """The model as a recipe states it, in TOML."""
        return model_toml(xps.Model.from_json(str(self.fits.attrs["model"])))

    def fit(self, scan: int) -> xr.Dataset:
        """Return the stored fit of a scan, in memory."""
        return self.fits.isel(scan=scan).load()

    def spectrum(self, scan: int) -> xr.Dataset:
        """Return the spectra of a scan, dim ``scan`` of one, prepared as the history of the fit tells."""
        raw = self.raw.isel(scan=[scan]).load()
        for one in entries(self.fits):
            if one["step"] == "xps.deglitch":
                raw = xps.deglitch(raw, threshold=one["parameters"]["threshold"])
        return raw

    def refit(self, scan: int, model: xps.Model) -> xr.Dataset:
        """Return the fit of one scan with another model, and all else as in the stored one.

        Raises
        ------
        OperandoError
            If the model does not suit the spectra.
        """
        spectra = self.spectrum(scan)
        return xps.fit(spectra, model, neighbors=False, lines=True, **self.settings).isel(scan=0)


def fitted_series(store: Path) -> Iterator[FittedSeries]:
    """Yield the series of a store that were fitted with lines."""
    tree = operando.open(store)
    for leaf in tree.leaves:
        node, _, stage = leaf.path.strip("/").rpartition("/")
        if node.startswith("xps/") and stage == "processed" and "fitted" in leaf.dataset and leaf.attrs.get("model"):
            yield FittedSeries.within(tree, store, node)


def model_toml(model: xps.Model) -> str:
    """Return a model as the step ``fit`` of a recipe states it."""
    text = ""
    for key, value in model.to_table().items():
        if key in _KEYS and value:
            text += f"{toml_key(key)} = {_lines(value) if key in _WIDE else toml(value)}\n"
    return text


def model_table(text: str) -> dict[str, Any]:
    """Return the table of a model from TOML.

    Raises
    ------
    OperandoError
        If it is no TOML, or holds other keys.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OperandoError(f"model: expected TOML, got {error}; write it as in a recipe") from None
    unknown = sorted(set(table) - set(_KEYS))
    if unknown:
        raise OperandoError(f"model: expected {', '.join(_KEYS)}, got {', '.join(unknown)}")
    return table


def _lines(tables: list[Any]) -> str:
    return "[\n" + "".join(f"  {toml(one)},\n" for one in tables) + "]"
