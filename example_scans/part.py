"""What every instrument of the simulated beamtime hands over."""

from __future__ import annotations

from dataclasses import dataclass, field

import xarray as xr


@dataclass(frozen=True)
class Part:
    """One instrument's share of the beamtime folder.

    ``files`` maps a path in the folder to its content; ``recipe`` is its section of ``beamtime.toml``;
    ``truth`` maps a node of ``truth.zarr`` to what is true there. An instrument is a module with
    ``simulate(parameters, run, seed) -> Part`` and one entry in ``folder.INSTRUMENTS``.
    """

    files: dict[str, bytes]
    recipe: str
    truth: dict[str, xr.Dataset] = field(default_factory=dict)
