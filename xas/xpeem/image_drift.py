"""Where the image lies in every frame of a stack: drift, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from . import common_images, pair_shifts
from .fourier_band import Band, Complex, Floats, band_of, noise_of, window
from .frames import ALONG, PLANE, images_of, loaded, usable, whole_frames

Image = NDArray[np.float32]
Ints = NDArray[np.int64]
_UNITS = {"drift_y": "px", "drift_x": "px", "drift_y_std": "px", "drift_x_std": "px", "quality": "1"}
_NAMES = {
    "drift_y": "displacement of the image to higher y",
    "drift_x": "displacement of the image to higher x",
    "drift_y_std": "standard uncertainty of the displacement in y",
    "drift_x_std": "standard uncertainty of the displacement in x",
    "quality": "share of the frame's pattern that the other frames explain",
}
_LEAST_AGREEMENT = 0.25
"""Share of its pairs that a frame's place must agree with."""
_LEAST_OVERLAP = 0.25
"""Share of the frame's sides that all images must show."""
_SURE = 1.0
"""Largest standard deviation of a frame that has a place, px."""
_LEAST_POWER = 50.0
"""Noise alone reaches about 2 ln(number of places) + common images, 25 to 30, where it is sought."""
_LEAST_NOISE = 1e-30


@dataclass(frozen=True)
class _Search:
    """How drifts are sought: the waves that count (px), the farthest shift of a pair, and which frames are paired."""

    band: tuple[float, float]
    farthest: float
    neighbors: int
    taper: float


@dataclass(frozen=True)
class _Frames:
    """Frames of one or two stacks, read as often as needed, and after them an image if that is the reference.

    ``number`` says for each stack which of its frames count.
    """

    stacks: tuple[xr.DataArray, ...]
    number: tuple[Ints, ...]
    image: Image | None

    def __len__(self) -> int:
        return sum(map(len, self.number)) + (self.image is not None)

    def __iter__(self) -> Iterator[Image]:
        for stack, number in zip(self.stacks, self.number, strict=True):
            yield from loaded(stack, number)
        if self.image is not None:
            yield self.image

    def hub(self, chosen: int | None) -> int:
        """Return the place of the reference: the image, the chosen frame of the first stack, or its first."""
        if self.image is not None:
            return len(self) - 1
        return 0 if chosen is None else int(np.searchsorted(self.number[0], chosen))

    def only(self, chosen: NDArray[np.bool_]) -> _Frames:
        """Return the chosen frames."""
        ends = np.cumsum([len(number) for number in self.number])[:-1]
        kept = np.split(chosen[: sum(map(len, self.number))], ends)
        return _Frames(self.stacks, tuple(n[k] for n, k in zip(self.number, kept, strict=True)), self.image)

    def pairs(self, reach: int, hub: int) -> Ints:
        """Return the frames to compare: neighbors, each with the hub, and those of one energy in two stacks."""
        found = pair_shifts.neighbors(len(self), reach, hub)
        for number in self.number[1:]:
            _, first, second = np.intersect1d(self.number[0], number, return_indices=True)
            same = np.column_stack([first, second + len(self.number[0])])
            found = np.unique(np.concatenate([found, same]), axis=0)
        return found


def drift(
    intensity: xr.DataArray | xr.Dataset,
    *,
    reference: int | str | ArrayLike | None = None,
    band: tuple[float, float] = (4.0, 40.0),
    max_shift: float | None = None,
    neighbors: int = 3,
    taper: float = 0.25,
    between: bool = False,
) -> xr.Dataset:
    """Return how far the image of every frame lies from that of a reference.

    What is at (y, x) in the reference is at (y + drift_y, x + drift_x) in the frame. First the magnitude of the
    correlation of each frame with its neighbors is sought, and the drifts that agree best with most pairs are found
    by weighted least squares. Then the frames, now in about the same place, are taken as sums of a few common images
    and moved until these explain them best: the sum of |F_i - sum_k w_ik C_k(drift_i)|^2 over the waves within the
    band is least. So contrast may change, vanish and invert from frame to frame.

    Parameters
    ----------
    intensity
        Images, dims ``energy``, ``y``, ``x`` and others such as ``scan``, in memory or dask; or a Dataset with them as
        ``intensity``. Frames with ``Flag.missing_frame``, ``Flag.saturated`` or ``Flag.no_i0`` in the coordinate
        ``frame_flag`` and frames without a pattern are left out.
    reference
        A frame, counted along ``energy`` from 0; or an image, dims y x. None or ``"pairs"``: the first frame that
        can be placed.
    band
        Lengths of the waves that count, from the shortest to the longest, px.
    max_shift
        Largest displacement from a frame to its neighbor in y or in x, px; a quarter of the image's smaller side
        by default.
    neighbors
        How many frames on are compared with a frame, besides the reference.
    taper
        Part of the image's sides over which its weight falls to zero at its edges.
    between
        Whether all scans refer to the reference frame of the first scan that has one, and not each to its own.

    Returns
    -------
    xarray.Dataset
        ``drift_y``, ``drift_x`` (px) with ``drift_y_std``, ``drift_x_std``, and ``quality`` (1), the share of a
        frame's pattern within the band that is explained; dims as the images without y and x. NaN where a frame does
        not count or could not be placed; where it counts ``Flag.not_converged`` is raised in ``frame_flag``.

    Raises
    ------
    OperandoError
        If the dims are not those described, the images are too small for the band, or the reference is no image of
        their size and no frame that counts.

    Notes
    -----
    The result is computed at once, reading each frame twice (``between``: those of the first scan with every other
    scan as well); in memory are one chunk of frames and the waves within the band of one stack (or two). The
    uncertainty comes from what the common images leave of the frames, pixel by pixel; it holds for noise that is
    independent from pixel to pixel, and for the difference to the reference, whose own noise is part of it. With fewer
    than six frames it holds only where contrast does not change: one common image cannot show that. It leaves out
    distortions and what stays with the detector: frames that were not divided by a flat hold a pattern that does
    not drift. The second step is the variable projection of G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 10, 413
    (1973), doi:10.1137/0710036.
    """
    images = whole_frames(images_of(intensity, "drift"))
    size = min(images.sizes[name] for name in PLANE)
    search = _Search(band, size / 4 if max_shift is None else float(max_shift), int(neighbors), float(taper))
    _check(images, search)
    image, chosen = _reference(images, reference)
    others = [dim for dim in images.dims if dim not in (ALONG, *PLANE)]
    shape = [images.sizes[dim] for dim in (*others, ALONG)]
    every = xr.DataArray(np.ones(shape, dtype=bool), dims=(*others, ALONG))
    sound = (every & usable(images)).transpose(*others, ALONG).to_numpy()
    if chosen is not None and not sound[..., chosen].all():
        raise OperandoError(f"drift: expected a frame that counts as the reference, but frame {chosen} is flagged")
    stacks = [images.isel(dict(zip(others, index, strict=True))) for index in np.ndindex(*shape[:-1])]
    frames = [
        _Frames((one,), (np.flatnonzero(good),), image)
        for one, good in zip(stacks, sound.reshape(len(stacks), -1), strict=True)
    ]
    found = _placed(frames, search, chosen, between=between).reshape(*shape, 5)
    ds = xr.Dataset({name: ((*others, ALONG), found[..., at]) for at, name in enumerate(_UNITS)})
    ds = ds.assign_coords({name: array for name, array in images.coords.items() if not set(PLANE) & set(array.dims)})
    flag = ds["frame_flag"] if "frame_flag" in ds.coords else xr.zeros_like(ds["drift_y"], dtype=np.int32)
    lost = ds["drift_y"].isnull() & sound
    ds = ds.assign_coords(frame_flag=raised(flag, Flag.not_converged, lost.reset_coords(drop=True)))
    said = reference if isinstance(reference, int | str) or reference is None else "an image"
    parameters = {**vars(search), "reference": said, "between": between}
    return recorded(with_units(ds, _UNITS, _NAMES), "xas.xpeem.drift", parameters, after=xr.Dataset(attrs=images.attrs))


def _check(images: xr.DataArray, search: _Search) -> None:
    low, high = search.band
    size = min(images.sizes[name] for name in PLANE)
    if not 2 <= low < high:
        raise OperandoError(f"drift: expected a band (shortest, longest wave) from 2 px, got {search.band}")
    if size < 4 * low:
        raise OperandoError(f"drift: expected images of at least {4 * low:g} px a side for this band, got {size}")
    if not 0 < search.taper <= 0.5 or search.neighbors < 1 or search.farthest <= 0:
        raise OperandoError(
            f"drift: expected a taper up to 0.5, one or more neighbors and a max_shift above 0, got {search}"
        )


def _reference(images: xr.DataArray, reference: int | str | ArrayLike | None) -> tuple[Image | None, int | None]:
    """Return the reference as an image or as the number of a frame; neither: the first frame."""
    if reference is None or (isinstance(reference, str) and reference == "pairs"):
        return None, None
    if isinstance(reference, int | np.integer):
        count = images.sizes[ALONG]
        if not -count <= reference < count:
            raise OperandoError(f"drift: expected a reference among {count} frames, got {reference}")
        return None, int(reference) % count
    shape = tuple(images.sizes[name] for name in PLANE)
    if isinstance(reference, xr.DataArray):
        reference = reference.transpose(*PLANE).to_numpy()
    image = np.asarray(reference)
    if image.shape != shape or image.dtype.kind not in "fiu":
        raise OperandoError(f"drift: expected a reference image of {shape} px, got {image.shape} {image.dtype}")
    return image.astype(np.float32), None


def _placed(every: Sequence[_Frames], search: _Search, chosen: int | None, *, between: bool) -> Floats:
    """Return displacement and its deviation in y and x, and quality, of all frames of each stack."""
    found = np.full((len(every), every[0].stacks[0].sizes[ALONG], 5), np.nan)
    first: _Frames | None = None
    for row, own in zip(found, every, strict=True):
        frames = own if first is None else _Frames((*first.stacks, *own.stacks), (*first.number, *own.number), None)
        mine = own.number[0]
        if mine.size and len(frames) > 1:
            movable = chosen is None and own.image is None and first is None
            located = _located(frames, search, frames.hub(chosen), movable=movable)
            rows = len(frames) - (own.image is not None)
            row[mine] = located[rows - mine.size : rows]
        known = np.flatnonzero(np.isfinite(row[:, 0]))
        if between and own.image is None and first is None and known.size:
            first = _Frames(own.stacks, (known,), None)
    return found


def _located(frames: _Frames, search: _Search, hub: int, *, movable: bool) -> Floats:
    """Return displacement and its deviation in y and x, and quality, of every frame; NaN where it has no place.

    The displacement is that from the hub, or, if that has no place and is ``movable``, from the first frame that has.
    """
    rows, columns = (frames.stacks[0].sizes[name] for name in PLANE)
    band = band_of((rows, columns), search.band)
    place, placed = _roughly(frames, band, search, hub)
    out = np.full((len(frames), 5), np.nan)
    while placed.sum() > 1 and (placed[hub] or movable):
        hub = hub if placed[hub] else int(np.argmax(placed))
        start = (place - place[hub])[placed]
        waves = _waves(frames.only(placed), band, start, search.taper, scaled=True)
        waves *= band.turned(start)
        moved, std, quality, power = common_images.refined(waves, band, int(placed[:hub].sum()))
        sure = (np.abs(moved) < search.band[0]).all(axis=1) & (std < _SURE).all(axis=1) & (power > _LEAST_POWER)
        if sure.all():
            out[placed] = np.column_stack([start + moved, std, quality])
            break
        placed[placed] = sure
    return out


def _roughly(frames: _Frames, band: Band, search: _Search, hub: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the place of each frame from pairs, and which frames have one."""
    waves = _waves(frames, band, np.zeros((len(frames), 2)), search.taper, scaled=False)
    pairs = frames.pairs(search.neighbors, hub)
    shifts, heights = pair_shifts.pair_shifts(waves, band, pairs, search.farthest)
    place, agreeing = pair_shifts.places(len(frames), pairs, shifts, heights, search.band[0] / 2)
    reach = (1 - _LEAST_OVERLAP) / 2 * np.array(band.shape)
    far = (np.abs(place - np.median(place, axis=0)) > reach).any(axis=1)
    return place, (agreeing >= _LEAST_AGREEMENT) & ~far & (waves != 0).any(axis=1)


def _waves(frames: _Frames, band: Band, place: Floats, taper: float, *, scaled: bool) -> Complex:
    """Return the waves of every frame within windows that follow the image, divided by its noise if ``scaled``."""
    out = np.empty((len(frames), len(band)), dtype=np.complex64)
    low = np.maximum(0, -place.min(axis=0))
    high = np.array(band.shape) - 1 - np.maximum(0, place.max(axis=0))
    for row, frame, start, stop in zip(out, frames, low + place, high + place, strict=True):
        y, x = (window(band.shape[axis], start[axis], stop[axis], taper) for axis in (0, 1))
        waves, short = band.spectrum(frame, (y, x))
        row[:] = waves / np.sqrt(max(noise_of(short), _LEAST_NOISE)) if scaled else waves
    return out
