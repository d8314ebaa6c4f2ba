"""What a voxel and its surroundings look like at several scales: the numbers that a classifier decides by."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .feature_kernels import derivatives, gaussian, reach, structure
from .results import described
from .tiles import over_tiles
from .voxels import as_volume

FAMILIES = {
    "gaussian": ("gaussian",),
    "derivatives": ("gradient", "laplacian", "hessian_1", "hessian_2", "hessian_3"),
    "deviation": ("deviation",),
    "structure": ("structure_1", "structure_2", "structure_3"),
}
"""The features of each family, at every scale."""

LARGEST_SCALE = 64.0
"""Largest scale that is taken, voxels."""

MOST_SCALES = 8
"""Largest number of scales that is taken."""

_STEP = "tomo.feature_stack"


@dataclass(frozen=True)
class Features:
    """Which features of a voxel are computed; the grey level itself always is one.

    Parameters
    ----------
    scales
        Standard deviations s of the Gaussian G_s, voxels; at most 64.
    families
        Some of ``"gaussian", "derivatives", "deviation", "structure"``; see Notes.

    Raises
    ------
    OperandoError
        If a scale or a family is none.

    Notes
    -----
    With I the grey levels, at every scale and in the unit of I or its square:

    - gaussian: ``G_s * I``
    - gradient: ``s |grad(G_s * I)|``; laplacian: ``s^2 div grad(G_s * I)``; hessian_1 to 3: the eigenvalues of
      ``s^2 H(G_s * I)``, the largest first
    - deviation: ``sqrt(G_s * (I - G_s * I)^2)``, the contrast of texture finer than s
    - structure_1 to 3: the eigenvalues of ``G_s * (s^2 grad(G_s * I) grad(G_s * I)^T)``, the largest first

    Derivatives are central differences of one voxel, Gaussians end at 3 s and sum to 1. Beyond the faces of the volume
    the outermost voxels go on. Everything is float32, and the same to the last bit whatever the chunks.

    References
    ----------
    Lindeberg, Int. J. Comput. Vis. 30, 79 (1998), doi:10.1023/A:1008045108935 (scale-normalized derivatives);
    Weickert, Int. J. Comput. Vis. 31, 111 (1999), doi:10.1023/A:1008009714131 (structure tensor)

    Examples
    --------
    >>> from operando import tomo
    >>> print(tomo.Features())
    Features(scales=(1.0, 2.0, 4.0), families=('gaussian', 'derivatives', 'deviation', 'structure'))
    """

    scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    families: tuple[str, ...] = tuple(FAMILIES)

    def __post_init__(self) -> None:
        scales = tuple(float(scale) for scale in self.scales)
        if not scales or len(scales) > MOST_SCALES or not all(0.3 <= scale <= LARGEST_SCALE for scale in scales):
            raise OperandoError(
                f"Features: expected 1 to {MOST_SCALES} scales from 0.3 to {LARGEST_SCALE:g} voxels, got {scales}"
            )
        unknown = [name for name in self.families if name not in FAMILIES]
        if (
            unknown
            or not self.families
            or len(set(self.families)) < len(self.families)
            or len(set(scales)) < len(scales)
        ):
            raise OperandoError(
                f"Features: expected some of {', '.join(FAMILIES)}, each once, and each scale once; got "
                f"{', '.join(self.families) or 'none'} at {scales}"
            )
        object.__setattr__(self, "scales", scales)
        object.__setattr__(self, "families", tuple(name for name in FAMILIES if name in self.families))

    @property
    def names(self) -> tuple[str, ...]:
        """The features in their order, such as ``hessian_1@2``."""
        each = [name for family in self.families for name in FAMILIES[family]]
        return ("grey", *(f"{name}@{scale:g}" for scale in self.scales for name in each))

    @property
    def margin(self) -> int:
        """How many voxels the features look away from their own."""
        return max(_margin(self.families, scale) for scale in self.scales)

    def stack(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features, dims (feature, z, y, x), of a window that is larger by the margin at every face."""
        shape = tuple(edge - 2 * self.margin for edge in window.shape)
        found = np.empty((len(self.names), *shape), np.float32)
        found[0] = _cropped(window, self.margin)
        at = 1
        with np.errstate(over="ignore", invalid="ignore"):
            for scale in self.scales:
                margin = _margin(self.families, scale)
                around = _cropped(window, self.margin - margin)
                smooth, halo = gaussian(around, scale), margin - reach(scale)
                for family in self.families:
                    into = found[at : at + len(FAMILIES[family])]
                    _FILLED[family](_Scale(scale, around, smooth, halo), into)
                    at += len(into)
        return found


def feature_stack(volume: xr.DataArray | NDArray[np.generic], features: Features | None = None) -> xr.DataArray:
    """Return all features of every voxel, to look at; a classifier never holds them all.

    Parameters
    ----------
    volume
        Grey levels, dims (..., z, y, x).
    features
        Which ones, by default all families at 1, 2 and 4 voxels.

    Returns
    -------
    xarray.DataArray
        float32, dims (..., feature, z, y, x), lazy where ``volume`` is; the names along ``feature``, ``scales`` and
        ``families`` in its attributes.

    Raises
    ------
    OperandoError
        If the volume lacks a dim.
    """
    features = features or Features()
    grey = as_volume(volume, _STEP)
    names = features.names
    found = over_tiles(
        stack, grey, margin=features.margin, dtype=np.float32, channels=len(names), features=features
    ).rename(channel="feature")
    found = found.assign_coords(feature=("feature", np.array(names, dtype=object), {"long_name": "feature"}))
    found = described(
        found,
        grey,
        name="features",
        units="",
        long_name="features of the voxel",
        step=_STEP,
        parameters=asdict(features),
    )
    return found.assign_attrs(scales=list(features.scales), families=" ".join(features.families))


def stack(window: NDArray[np.float32], features: Features) -> NDArray[np.float32]:
    """Return the features of a window, as :meth:`Features.stack` does."""
    return features.stack(window)


def _margin(families: tuple[str, ...], scale: float) -> int:
    """Return how far the features of a scale look."""
    once = reach(scale)
    far = {"gaussian": once, "derivatives": once + 1, "deviation": 2 * once, "structure": 2 * once + 1}
    return max(far[family] for family in families)


def _cropped(block: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Return a block without ``by`` voxels at every face."""
    inner = tuple(slice(by, edge - by) for edge in block.shape)
    return np.ascontiguousarray(block[inner])


@dataclass(frozen=True)
class _Scale:
    """A scale, what it is computed from, and that smoothed, larger by ``halo`` at every face than what is wanted."""

    scale: float
    around: NDArray[np.float32]
    smooth: NDArray[np.float32]
    halo: int


def _gaussian(at: _Scale, into: NDArray[np.float32]) -> None:
    into[0] = _cropped(at.smooth, at.halo)


def _derivatives(at: _Scale, into: NDArray[np.float32]) -> None:
    derivatives(_cropped(at.smooth, at.halo - 1), at.scale, into)


def _deviation(at: _Scale, into: NDArray[np.float32]) -> None:
    rest = _cropped(at.around, at.halo) - _cropped(at.smooth, at.halo - reach(at.scale))
    into[0] = np.sqrt(gaussian(rest * rest, at.scale))


def _structure(at: _Scale, into: NDArray[np.float32]) -> None:
    structure(_cropped(at.smooth, at.halo - reach(at.scale) - 1), at.scale, into)


_FILLED = {"gaussian": _gaussian, "derivatives": _derivatives, "deviation": _deviation, "structure": _structure}
