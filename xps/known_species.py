"""What photoemission shows of batteries: species, core levels, what overlaps them, satellites of X-ray tubes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from operando.errors import OperandoError

from .species_file import entries

if TYPE_CHECKING:
    import xarray as xr

TABLE = Path(__file__).with_name("species.toml")
AL_K_ALPHA = 1486.6
"""Photon energy of Al K-alpha, eV."""


@dataclass(frozen=True)
class Source:
    """Where a number comes from."""

    text: str
    doi: str = ""


@dataclass(frozen=True)
class Species:
    """A species as one core level shows it: ``energy`` +- ``spread`` (eV) with C 1s at 284.8 eV.

    Of a doublet the energy is that of the line with the larger j. ``reduced_below`` and ``oxidized_above`` are
    potentials vs Li+/Li (V). What is not ``verified`` was not seen in its source and is a starting value only.
    """

    level: str
    name: str
    energy: float
    spread: float
    phase: str
    source: Source
    verified: bool
    note: str = ""
    reduced_below: float | None = None
    oxidized_above: float | None = None
    window_source: Source | None = None


@dataclass(frozen=True)
class CoreLevel:
    """A core level: the splitting of its doublet (eV, 0 for none) and the smaller line's area over the larger one's."""

    level: str
    source: Source
    verified: bool
    splitting: float = 0.0
    ratio: float = 0.0
    shared_width: bool = True
    note: str = ""


@dataclass(frozen=True)
class Overlap:
    """Another line under a core level, of a level by its binding energy or of an Auger decay by its kinetic energy."""

    level: str
    name: str
    kind: str
    spread: float
    source: Source
    verified: bool
    energy: float | None = None
    kinetic_energy: float | None = None

    def binding_energy(self, photon_energy: float = AL_K_ALPHA) -> float:
        """Return where the line appears (eV); an Auger line moves with the photon energy."""
        return photon_energy - self.kinetic_energy if self.kinetic_energy is not None else float(self.energy or 0.0)


@dataclass(frozen=True)
class Satellite:
    """A line of an X-ray tube: a copy of every line, ``shift`` eV lower in binding energy, ``height`` times as high."""

    anode: str
    name: str
    shift: float
    height: float
    source: Source
    verified: bool


def species(level: str | None = None, name: str | None = None, *, path: str | Path | None = None) -> list[Species]:
    """Return the known species, of one core level or of one name.

    Parameters
    ----------
    level
        Core level, such as ``"S 2p"``; all by default.
    name
        Name, or part of it where no species has just that name, such as ``"Li2S"``; all by default.
    path
        A table of your own in the form of ``xps/species.toml``, instead of that one.

    Returns
    -------
    list of Species
        In order of level and binding energy; empty if nothing of that name is known for the level.

    Raises
    ------
    OperandoError
        If the level is unknown, or the table has mistakes; all of them are named.

    Examples
    --------
    >>> from operando import xps
    >>> print([one.name for one in xps.species("S 2p")][:3])
    ['argyrodite S2-', 'Li2S', 'PS4 3-']
    """
    found = _of_level(_table(path)["species"], level, "species")
    if name is None:
        return found
    exact = [one for one in found if _plain(one.name) == _plain(name)]
    return exact or [one for one in found if _plain(name) in _plain(one.name)]


def core_level(level: str, *, path: str | Path | None = None) -> CoreLevel:
    """Return a core level's splitting, ratio and whether both lines have one width.

    Parameters
    ----------
    level
        Such as ``"S 2p"``.
    path
        Another table of species; the one that comes with operando by default.

    Returns
    -------
    CoreLevel
        ``splitting`` (eV), ``ratio`` (area of the line with the smaller j over that of the other, 1), ``shared_width``
        and where these are from.

    Raises
    ------
    OperandoError
        If the level is unknown, or the table has mistakes.

    Examples
    --------
    >>> from operando import xps
    >>> level = xps.core_level("S 2p")
    >>> print(level.splitting, level.ratio)
    1.18 0.511
    """
    found: list[CoreLevel] = _of_level(_table(path)["levels"], level, "core_level")
    return found[0]


def overlaps(level: str | None = None, *, path: str | Path | None = None) -> list[Overlap]:
    """Return what else lies under a core level.

    Parameters
    ----------
    level
        Such as ``"Li 1s"``; all levels by default.
    path
        Another table of species.

    Returns
    -------
    list of Overlap
        What lies there, where (eV), and what to do about it.

    Raises
    ------
    OperandoError
        If the table knows no overlap of the level, or has mistakes.

    Examples
    --------
    >>> from operando import xps
    >>> print(len(xps.overlaps("Li 1s")) > 0)
    True
    """
    return _of_level(_table(path)["overlaps"], level, "overlaps")


def tube_satellites(anode: str = "Al", *, path: str | Path | None = None) -> list[Satellite]:
    """Return the satellites of an X-ray tube without a monochromator, ``"Al"`` or ``"Mg"``.

    Parameters
    ----------
    anode
        ``"Al"`` or ``"Mg"``.
    path
        Another table of species.

    Returns
    -------
    list of Satellite
        How far below the main line each lies (eV), and its height over that of the main line (1).

    Raises
    ------
    OperandoError
        If the anode is unknown, or the table has mistakes.

    Examples
    --------
    >>> from operando import xps
    >>> print(xps.tube_satellites("Al")[0].shift)
    9.8
    """
    return _of_level(_table(path)["satellites"], anode, "tube_satellites")


def species_table(level: str | None = None, *, path: str | Path | None = None) -> xr.Dataset:
    """Return the species as a Dataset along ``species``, for notebooks.

    Parameters
    ----------
    level
        Such as ``"S 2p"``; all levels by default.
    path
        Another table of species.

    Returns
    -------
    Dataset
        Over ``species``: level, name, energy and spread (eV), phase, whether the number was seen in its source, and
        that.

    Raises
    ------
    OperandoError
        If the level is unknown, or the table has mistakes.

    Examples
    --------
    >>> from operando import xps
    >>> table = xps.species_table("P 2p")
    >>> print(table["binding_energy"].values[:3].tolist(), table["binding_energy"].attrs["units"])
    [126.75, 128.75, 131.85] eV
    """
    import numpy as np
    import xarray as xr

    from operando.history import recorded

    found = species(level, path=path)
    columns = {
        "binding_energy": ("eV", "binding energy, C 1s at 284.8 eV", [one.energy for one in found]),
        "spread": ("eV", "half the range that is found", [one.spread for one in found]),
        "reduced_below": ("V", "potential vs Li+/Li below which it is reduced", [one.reduced_below for one in found]),
        "oxidized_above": ("V", "potential vs Li+/Li above which it oxidizes", [one.oxidized_above for one in found]),
        "verified": ("1", "seen in the source", [one.verified for one in found]),
        "phase": ("1", "what it belongs to", [one.phase for one in found]),
        "source": ("1", "where the number comes from", [one.source.text for one in found]),
        "doi": ("1", "DOI of the source", [one.source.doi for one in found]),
    }
    ds = xr.Dataset(
        coords={
            key: ("species", np.array([getattr(one, at) for one in found], dtype=object))
            for key, at in (("level", "level"), ("species", "name"))
        }
    )
    for name, (units, text, values) in columns.items():
        kind: Any = bool if name == "verified" else (float if units in ("eV", "V") else object)
        ds[name] = ("species", np.array(values, dtype=kind), {"units": units, "long_name": text})
    return recorded(ds, "xps.species_table", {"level": level, "path": path})


Entry = TypeVar("Entry")
Table = Mapping[str, Mapping[str, tuple[Any, ...]]]


def _of_level(groups: Mapping[str, tuple[Any, ...]], level: str | None, step: str) -> list[Any]:
    """Return the entries of one group, or of all."""
    if level is None:
        return [one for group in groups.values() for one in group]
    for name, group in groups.items():
        if _plain(name) == _plain(level):
            return list(group)
    raise OperandoError(f"{step}: expected one of {', '.join(groups)}, got {level!r}")


def _plain(name: str) -> str:
    """Return a name however its parts are divided."""
    return "".join(name.split()).replace("_", "").casefold()


def _table(path: str | Path | None) -> Table:
    """Return the checked table of a file, that of the toolkit by default."""
    return _own_table() if path is None else _read(Path(path))


@cache
def _own_table() -> Table:
    return _read(TABLE)


def _read(path: Path) -> Table:
    raw = entries(path)
    sources = {key: Source(**one) for key, one in raw["sources"].items()}

    def group(section: str, kind: Callable[..., Entry], key: str, order: str | None) -> Mapping[str, tuple[Entry, ...]]:
        found: dict[str, tuple[Entry, ...]] = {}
        for name, rows in raw[section].items():
            listed: Iterable[Mapping[str, Any]] = [rows] if isinstance(rows, Mapping) else rows
            made = [kind(**{key: name}, **_with_sources(row, sources)) for row in listed]
            found[name] = tuple(sorted(made, key=lambda one: float(getattr(one, order))) if order else made)
        return MappingProxyType(found)

    return MappingProxyType(
        {
            "species": group("species", Species, "level", "energy"),
            "levels": group("levels", CoreLevel, "level", None),
            "overlaps": group("overlaps", Overlap, "level", None),
            "satellites": group("satellites", Satellite, "anode", "shift"),
        }
    )


def _with_sources(row: Mapping[str, Any], sources: Mapping[str, Source]) -> dict[str, Any]:
    return {key: sources[value] if key in ("source", "window_source") else value for key, value in row.items()}
