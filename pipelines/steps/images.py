"""Recipe steps that bring the images of a stack into one place and draw spectra and maps from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.flags import Flag, raised
from operando.xas.xpeem.frames import I0_NOISE

from .step import with_result

ALIGNED = ("aligned", "aligned_std")
"""The frames in one place; they are not stored unless the recipe says so."""
_REGIONS = ("region_label", "region_area", "region_y", "region_x")


def correct(
    raw: xr.Dataset, *, gain: float | None = None, duplicates: float | None = None, i0_noise: float | None = None
) -> xr.Dataset:
    """Subtract the dark, divide by the flat and by the incoming intensity, of relative noise ``i0_noise``."""
    from operando.xas import xpeem

    found = xpeem.correct(raw, gain=gain, duplicates=duplicates, i0_noise=i0_noise)
    return found.assign_attrs({**raw.attrs, **found.attrs})


def drift(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first_raw: xr.Dataset,
    *,
    band: tuple[float, float] = (4.0, 40.0),
    max_shift: float | None = None,
    neighbors: int = 8,
) -> xr.Dataset:
    """Find how far the image of every frame lies from that of the first frame of the first stack."""
    from operando.xas import xpeem

    _require("drift", raw, "intensity", before="correct")
    stacks = _frames(raw) if not first_raw else xr.concat([_frames(first_raw), _frames(raw)], "scan", join="exact")
    found = xpeem.drift(
        stacks.assign_attrs(raw.attrs), band=band, max_shift=max_shift, neighbors=neighbors, between=True
    )
    found = found.isel(scan=slice(-raw.sizes["scan"], None)).rename(quality="drift_quality")
    lost = (found["frame_flag"] & int(Flag.not_converged)).any("energy").reset_coords(drop=True)
    out = with_result(processed, found)
    return out.assign_coords(flag=raised(out["flag"], Flag.not_converged, lost))


def _frames(stack: xr.Dataset) -> xr.Dataset:
    """Return the images of stacks with the flags of their frames alone."""
    return stack[["intensity"]].drop_vars([name for name in stack.coords if name not in ("energy", "frame_flag")])


def align(raw: xr.Dataset, processed: xr.Dataset) -> xr.Dataset:
    """Move every frame back to where the first was; the mean of all is the image of the stack."""
    from operando.xas import xpeem

    _require("align", raw, "intensity", before="correct")
    _require("align", processed, "drift_y", before="drift")
    moved = xpeem.align(raw.assign_attrs(history=processed.attrs["history"]), processed)
    intensity = moved["intensity"]
    means = xr.Dataset({"image": intensity.mean("energy", skipna=True), "image_frames": intensity.count("energy")})
    means = means.compute().astype({"image": np.float32, "image_frames": np.int32})
    means["image"].attrs = {"units": intensity.attrs["units"], "long_name": "mean of the frames of the stack"}
    means["image_frames"].attrs = {"units": "1", "long_name": "frames that show the pixel"}
    images = {name: array.variable for name, array in means.items()} | {ALIGNED[0]: intensity.variable}
    if "intensity_std" in moved:
        images[ALIGNED[1]] = moved["intensity_std"].variable
    beam = {I0_NOISE: moved[I0_NOISE].variable} if I0_NOISE in moved.coords else {}
    return processed.assign(images).assign_coords(beam).assign_attrs(history=moved.attrs["history"])


def regions(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    first: xr.Dataset,
    *,
    pre_edge: tuple[float, float] | None = None,
    post_edge: tuple[float, float] | None = None,
    threshold: float | None = None,
    smallest: int = 50,
    shrink: int = 1,
    most: int | None = None,
    labels: Path | None = None,
    shapes: list[dict[str, Any]] | None = None,
) -> xr.Dataset:
    """Find the regions that show the edge in the first stack, or take them from an image of their numbers, or as drawn.

    Shapes are tables ``{ kind = "polygon", corners = [[y, x], ...] }``, in pixels of the aligned images; an ``ellipse``
    has the four corners of the rectangle around it. A pixel belongs to one of them at most.
    """
    from operando.xas import xpeem

    _require("regions", processed, ALIGNED[0], before="align")
    if first:
        _require("regions", first, _REGIONS[0], before="regions")
        known = first[[*_REGIONS]].compute()
        known = known.drop_vars([name for name in known.coords if name != "region"])
        return processed.assign(known.data_vars).assign_coords(region=known["region"])
    if labels is not None and shapes is not None:
        raise OperandoError("regions: expected either labels or shapes, got both")
    if labels is not None:
        return with_result(processed, xpeem.labelled(_labels(labels, processed)))
    if shapes is not None:
        image = processed["image"].isel(scan=0).assign_attrs(history=processed.attrs["history"])
        return with_result(processed, xpeem.drawn_regions(image, shapes))
    if pre_edge is None or post_edge is None:
        raise OperandoError("regions: expected pre_edge and post_edge (eV), labels or shapes, got none of them")
    step = _mean(processed, post_edge) - _mean(processed, pre_edge)
    found = xpeem.regions(
        step.where(_whole(processed).isel(scan=0)).assign_attrs(history=processed.attrs["history"]),
        threshold=threshold,
        smallest=smallest,
        shrink=shrink,
        most=most,
    )
    return with_result(processed, found)


def spectra(_raw: xr.Dataset, processed: xr.Dataset) -> xr.Dataset:
    """Take the mean of every region in every frame."""
    from operando.xas import xpeem

    _require("spectra", processed, _REGIONS[0], before="regions")
    found = xpeem.spectra(_aligned(processed), processed[_REGIONS[0]]).compute()
    return with_result(processed, found.drop_vars(list(found.coords)))


def normalize(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    e0: float | None = None,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
    nvict: int = 0,
) -> xr.Dataset:
    """Subtract the pre-edge of the spectrum of every region and divide by its edge step."""
    from operando import xas

    _require("normalize", processed, "mu", before="spectra")
    mu = processed["mu"].assign_attrs(history=processed.attrs["history"])
    return with_result(
        processed, xas.normalize(mu, e0, pre1=pre1, pre2=pre2, norm1=norm1, norm2=norm2, nnorm=nnorm, nvict=nvict)
    )


def maps(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    e0: float | None = None,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
) -> xr.Dataset:
    """Find edge step and edge energy of every pixel."""
    from operando.xas import xpeem

    _require("maps", processed, ALIGNED[0], before="align")
    normalization = {"pre1": pre1, "pre2": pre2, "norm1": norm1, "norm2": norm2, "nnorm": nnorm}
    return _with_maps(processed, xpeem.maps(_aligned(processed), e0=e0, normalization=normalization))


def fraction_maps(
    _raw: xr.Dataset,
    processed: xr.Dataset,
    references: xr.Dataset,
    *,
    e0: float | None = None,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    scale: bool = False,
    background: Literal["constant", "linear"] | None = None,
    shift: float | None = None,
) -> xr.Dataset:
    """Take every pixel apart into the references, moved by what was found for the regions if no shift is given."""
    from operando.xas import xpeem

    _require("fraction_maps", processed, ALIGNED[0], before="align")
    if shift is None:
        shift = float(processed["energy_shift"].median()) if "energy_shift" in processed else 0.0
    normalization = {"pre1": pre1, "pre2": pre2, "norm1": norm1, "norm2": norm2, "nnorm": nnorm}
    combination = {"bounds": bounds, "scale": scale, "background": background, "shift": shift}
    images = _aligned(processed)
    return _with_maps(
        processed,
        xpeem.maps(images, e0=e0, normalization=normalization, references=references, combination=combination),
    )


def clusters(
    _raw: xr.Dataset, processed: xr.Dataset, *, number: int, components: int = 5, brightness: bool = False
) -> xr.Dataset:
    """Sort the pixels of each stack into kinds by their spectra, which are divided by their mean unless told else."""
    from operando.xas import xpeem

    images = _shapes("clusters", processed, brightness=brightness)
    found = []
    for scan in range(images.sizes["scan"]):
        history = processed.attrs["history"]
        one = xpeem.clusters(images.isel(scan=scan).assign_attrs(history=history), number, components=components)
        one = one.reindex(energy=images["energy"].values)
        found.append(one.drop_vars([name for name in one.coords if name != "cluster"]))
    kinds = xr.concat(found, "scan")
    maps = kinds["label"].where(kinds["label"] > 0).astype(np.float32).assign_attrs(found[0]["label"].attrs)
    named = {"map_cluster": maps, "cluster_spectrum": kinds["spectrum"], "cluster_pixels": kinds["pixels"]}
    return processed.assign(named).assign_attrs(history=found[0].attrs["history"])


def component_maps(
    _raw: xr.Dataset, processed: xr.Dataset, *, components: int = 3, brightness: bool = False
) -> xr.Dataset:
    """Find the principal components of the pixels' spectra, those of each stack by themselves, and their maps.

    Spectra are divided by their mean unless told else; the components count from their average.
    """
    from operando import xas

    images = _shapes("component_maps", processed, brightness=brightness)
    found = []
    for scan in range(images.sizes["scan"]):
        stack = images.isel(scan=scan).assign_attrs(history=processed.attrs["history"])
        there = np.flatnonzero(stack.notnull().any(("y", "x")).to_numpy())
        one = xas.pca(stack.isel(energy=there), components=components)
        one = one[["components", "score", "explained_variance"]].reset_coords(drop=True).compute()
        found.append(one.reindex(energy=images["energy"].values))
    joined = xr.concat(found, "scan")
    maps = joined["score"].transpose("scan", "component", "y", "x").astype(np.float32)
    named = {"map_component": maps, "component_spectrum": joined["components"]}
    named["component_variance"] = joined["explained_variance"]
    kept = {name: array.assign_attrs(array.attrs | {"units": "1"}) for name, array in named.items()}
    return processed.assign(kept).assign_attrs(history=found[0].attrs["history"])


def _shapes(step: str, processed: xr.Dataset, *, brightness: bool) -> xr.DataArray:
    """Return the aligned frames where they are whole, each pixel's spectrum divided by its mean unless told else."""
    _require(step, processed, ALIGNED[0], before="align")
    images = processed[ALIGNED[0]].where(_whole(processed))
    return images if brightness else (images / images.mean("energy")).assign_attrs(units="1")


def _with_maps(processed: xr.Dataset, found: xr.Dataset) -> xr.Dataset:
    """Return the stacks with maps, named apart from the numbers of regions; NaN where a frame does not reach."""
    names = {name: f"map_{name}" for name in found.data_vars}
    whole = found.compute().where(_whole(processed))
    maps = xr.Dataset(
        {names[name]: array.astype(np.float32).assign_attrs(found[name].attrs) for name, array in whole.items()}
    )
    maps = maps.drop_vars([name for name in maps.coords if name != "reference"])
    return processed.assign(maps.data_vars).assign_coords(maps.coords).assign_attrs(found.attrs)


def _whole(processed: xr.Dataset) -> xr.DataArray:
    """Return which pixels every frame that counts shows: only their spectra are whole."""
    shown = processed["image_frames"].drop_vars(list(processed["image_frames"].coords))
    return shown == shown.max(("y", "x"))


def _aligned(processed: xr.Dataset) -> xr.Dataset:
    """Return the aligned frames as the functions of stacks take them."""
    names = dict(zip(ALIGNED, ("intensity", "intensity_std"), strict=True))
    images = processed[[name for name in ALIGNED if name in processed]]
    return images.rename({name: names[name] for name in map(str, images.data_vars)})


def _mean(processed: xr.Dataset, ends: tuple[float, float]) -> xr.DataArray:
    """Return the mean of the frames of the first stack between two energies, eV."""
    energy = processed["energy"].to_numpy()
    chosen = np.flatnonzero((energy >= min(ends)) & (energy <= max(ends)))
    if not chosen.size:
        raise OperandoError(f"regions: expected frames between {min(ends):g} and {max(ends):g} eV, got none")
    mean = processed[ALIGNED[0]].isel(scan=0, energy=chosen).mean("energy", skipna=True)
    return mean.compute().reset_coords(drop=True)


def _labels(path: Path, processed: xr.Dataset) -> np.ndarray:
    """Return an image of numbers of regions, TIFF or .npy.

    Raises
    ------
    FileError
        If it cannot be read or does not fit the images.
    """
    shape = tuple(processed.sizes[dim] for dim in ("y", "x"))
    try:
        label = _npy(path) if path.suffix == ".npy" else _tiff(path, shape)
    except OperandoError:
        raise
    # Codecs raise many kinds of errors on damaged files.
    except Exception as error:
        raise FileError(path, "a TIFF or .npy image of numbers", str(error) or type(error).__name__) from None
    if label.shape != shape or label.dtype.kind not in "iu":
        raise FileError(path, f"whole numbers for {shape} px", f"{label.dtype} for {label.shape}")
    return np.array(label)


def _npy(path: Path) -> np.ndarray:
    """Return an array, mapped: no room is made for what the file does not hold. Objects are code and not read."""
    with path.open("rb") as file:
        start = file.read(12)
    stated = int.from_bytes(start[8:12] if start[6:7] > b"\1" else start[8:10], "little")
    if stated > path.stat().st_size:
        raise FileError(path, "a TIFF or .npy image of numbers", f"a header of {stated} bytes; it ends before")
    with warnings.catch_warnings():
        # That a header of Python 2 is slower to read is no matter.
        warnings.simplefilter("ignore", UserWarning)
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _tiff(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the only page of a TIFF; one of another size is refused before room is made for it."""
    import tifffile

    from operando.tiff_strips import oversized

    with tifffile.TiffFile(path) as file:
        page, pages = file.pages.first, len(file.pages)
        if pages != 1 or page.shape != shape:
            raise FileError(path, f"whole numbers for {shape} px", f"{pages} pages of {page.shape}")
        found = oversized(page)
        if found:
            raise FileError(path, "strips of their declared size", found)
        return page.asarray()


def _require(step: str, ds: xr.Dataset, name: str, *, before: str) -> None:
    if name not in ds:
        raise OperandoError(f"{step}: expected {name}, got none; put the step {before!r} before it")
