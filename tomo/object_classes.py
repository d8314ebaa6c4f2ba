"""Kinds of voids: cracks, contact lost to particles, and the rest, by stated rules."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded

_STEP = "tomo.classify_objects"


class Kind(IntEnum):
    """Kind of a void."""

    unresolved = 0
    void = 1
    crack = 2
    contact_loss = 3


def classify_objects(
    table: xr.Dataset,
    *,
    active: int | None = None,
    fewest_voxels: int = 30,
    contact_share: float = 0.2,
    roundest: float = 0.75,
    flattest: float = 0.5,
    slenderness: float = 5.0,
    most_compact: float = 0.4,
) -> xr.Dataset:
    """Return a table of voids with the kind of each.

    Parameters
    ----------
    table
        With ``voxels``, ``volume``, ``flatness`` and ``principal_length`` (``tomo.label`` or ``regions``),
        ``surface_area``, ``sphericity`` and, to tell contact loss, ``surface_share`` (``tomo.shapes``). Where it has
        ``aperture_median`` (``tomo.aperture_table``), that is the opening, else 2 V / A.
    active
        Number of the phase of the active material; None: no contact loss is told.
    fewest_voxels
        Objects of fewer voxels are ``unresolved``: their shape is that of the voxels.
    contact_share
        Least share of the surface of lost contact that borders on active material. A thin gap has nearly half, less
        where blurred or broad.
    roundest
        Largest sphericity of lost contact: a round pore that rests on a particle is a void.
    flattest
        Least flatness of a crack, 1 - short over middle axis.
    slenderness
        Least middle axis over opening of a crack; 3 for a ball.
    most_compact
        Largest sphericity of a crack that is not flat, because it is bent or has branches.

    Returns
    -------
    xarray.Dataset
        ``table`` with ``kind`` (CF flags) and ``slenderness``.

    Raises
    ------
    OperandoError
        If the table lacks variables, or the phase.

    Notes
    -----
    In this order: few voxels: unresolved; borders on active material and is not round: contact loss; slender, and flat
    or not compact: crack; void else.

    The defaults are conventions, from bodies of known shape. Flat ellipsoids are slender (5) from 2.7 times as wide as
    thick on, rods (2.4) never; flatness 0.5 is twice as wide as thick and only parts them from rods. Sphericity is 0.75
    at 3.4 times, and 0.4 at 11 times: what is so far from compact is thin, though bent so that no axis is short. A gap
    has half its surface on the particle; a crack that ends at one, five times as long as thick, has a quarter of its
    rim there, 0.07: 0.2 is the mean of both in ratio. A plate of slenderness 5 and one voxel thick has 25 voxels.

    Of the true voids of the simulated cell at 256^3 these bounds tell 91 % of the
    pores, most of which rest on particles, 94 % of the gaps (79 % after many have grown together), and all cracks.
    Objects that have grown together have one kind. Where an object reaches the faces of the volume, its surface ends
    there and its sphericity is too large.
    """
    wanted = ["voxels", "volume", "flatness", "principal_length", "surface_area", "sphericity"]
    lacking = [name for name in (*wanted, *(["surface_share"] if active is not None else [])) if name not in table]
    if lacking:
        raise OperandoError(f"{_STEP}: expected a table with {', '.join(lacking)}; see tomo.label and tomo.shapes")
    if active is not None and active not in table["phase"]:
        raise OperandoError(f"{_STEP}: expected active to be one of the phases that objects border on, got {active}")
    opening = table["aperture_median"] if "aperture_median" in table else 2 * table["volume"] / table["surface_area"]
    slender = table["principal_length"].sel(principal="middle", drop=True) / opening
    thin = (table["flatness"] >= flattest) | (table["sphericity"] <= most_compact)
    rules = [(table["voxels"] < fewest_voxels).to_numpy(), (thin & (slender >= slenderness)).to_numpy()]
    kinds = [Kind.unresolved, Kind.crack]
    if active is not None:
        touching = table["surface_share"].sel(phase=active, drop=True) >= contact_share
        rules.insert(1, (touching & (table["sphericity"] <= roundest)).to_numpy())
        kinds.insert(1, Kind.contact_loss)
    kind = np.select(rules, [np.int8(one) for one in kinds], np.int8(Kind.void))
    flags = {"flag_values": [int(one) for one in Kind], "flag_meanings": " ".join(one.name for one in Kind)}
    found = table.assign(
        kind=("object", kind, {"units": "1", "long_name": "kind of void", **flags}),
        slenderness=slender.assign_attrs({"units": "1", "long_name": "middle axis over opening"}),
    )
    settings = {
        "active": active,
        "fewest_voxels": fewest_voxels,
        "contact_share": contact_share,
        "roundest": roundest,
        "flattest": flattest,
        "slenderness": slenderness,
        "most_compact": most_compact,
    }
    return recorded(found, _STEP, settings)
