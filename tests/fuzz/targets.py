"""Everything that reads a file of somebody else: what it is given, and what it must give back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import seeds
import xarray as xr
from seeds import Seed

from operando.errors import OperandoError, SeveralRegionsError
from operando.reading import read_as
from operando.schema import Layout, problems
from operando.sniff import Format, head

ZONES = ("Europe/Zurich", "Europe/Zurich", "UTC", "America/New_York", None)
SPECTRA = ("xas", "xps")
NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("xas", "columns"): {"columns": {"energy": 0, "mu": 1}},
    ("echem", "columns"): {"columns": {"elapsed": 0, "voltage": 1, "current": 2}, "start": "2026-05-18T17:57:43"},
    ("impedance", "columns"): {"columns": {"frequency": 0, "real": 1, "imaginary": 2}},
}
VOLUMES = ("tiff", "dxchange", "nxtomo", "nxtomoproc", "bec", "hdf5", "ome_zarr", "zarr")
_LOADED = 2**24


def needed(fmt: Format) -> dict[str, Any]:
    """Return settings without which a reader cannot be called, or refuses most files."""
    if fmt.technique == "xtm" and fmt.name in VOLUMES:
        return {"voxel_size": 0.65}
    return NEEDED.get((fmt.technique, fmt.name), {})


@dataclass(frozen=True)
class Target:
    """A reader: where its sound inputs come from, and how it is tried.

    ``read`` takes the input, the seed and a source of choices, and returns what was read or raises; ``judge`` returns
    what is wrong with a result, as plain sentences.
    """

    name: str
    seeds: Callable[[], list[Seed]]
    read: Callable[[Path, Seed, Random], Any]
    judge: Callable[[Any], list[str]]


def read_format(fmt: Format, formats: Sequence[Format], path: Path, seed: Seed, random: Random) -> xr.Dataset:
    """Read as a recipe does: with the settings of the sound file, or with those drafted from this one."""
    start = head(path, folders=fmt.folders)
    likely = [one for one in formats if (one.folders or not start.is_folder) and one.recognizes(start)]
    for one in likely:
        one.suggest(start)
    own = seed.settings or _drafted(fmt, seed)
    settings = dict(own) if random.random() < 0.6 else needed(fmt) | fmt.suggest(start)
    zone = random.choice(ZONES)
    try:
        return read_as((fmt,), path, fmt.name, zone, settings)
    except SeveralRegionsError as error:
        return read_as((fmt,), path, fmt.name, zone, {**settings, "region": random.choice(error.regions)})


@cache
def _drafts() -> dict[tuple[str, str, str], dict[str, Any]]:
    return {}


def _drafted(fmt: Format, seed: Seed) -> dict[str, Any]:
    """Return what is suggested for a sound file."""
    key = (fmt.technique, fmt.name, seed.name)
    if key not in _drafts():
        import damage

        with tempfile.TemporaryDirectory() as folder:
            drafted = seeds.suggested(fmt, damage.written(seed, Path(folder)))
        _drafts()[key] = needed(fmt) | {name: value for name, value in drafted.items() if value or name != "columns"}
    return _drafts()[key]


def judge_dataset(layouts: Sequence[Layout], along: str, ds: Any) -> list[str]:
    """Return what is wrong with what a reader gave; the beginning, middle and end of its images are loaded."""
    if not isinstance(ds, xr.Dataset):
        return [f"gave a {type(ds).__name__}"]
    found = []
    if along in ds.coords:
        values = ds[along].to_numpy()
        if not (np.isfinite(values).all() and (np.diff(values) >= 0).all()):
            found.append(f"{along} is not finite and ascending")
    series = ds if "scan" in ds.dims or not layouts else xr.concat([ds], "scan", coords="all")
    each = [problems(series, layout) for layout in layouts]
    found += min(each, key=len) if each else []
    for name in ds.data_vars:
        _load(ds[name])
    return found


def _load(array: xr.DataArray) -> None:
    if array.chunks is None or not array.size:
        return
    first = array.dims[0]
    count = array.sizes[first]
    for place in {0, count // 2, count - 1}:
        part = array.isel({first: place})
        if part.size <= _LOADED:
            part.compute(scheduler="synchronous")


def _formats() -> list[Target]:
    from operando import cyclers, impedance_files, tomo, xas, xps
    from operando.tomo.layout import PROJECTIONS
    from operando.tomo.layout import RAW as IMAGED
    from operando.xas import xpeem
    from operando.xas.layout import RAW as ABSORPTION
    from operando.xas.xpeem.layout import RAW as STACKS
    from operando.xps.layout import RAW as PHOTOEMISSION

    tables: list[tuple[str, Sequence[Format], list[str], list[Layout], str]] = [
        ("xas", xas.formats.FORMATS, ["xas", "xas_nexus", "xas_references"], [ABSORPTION], "energy"),
        ("xpeem", xpeem.formats.FORMATS, ["xpeem"], [STACKS], "energy"),
        ("xps", xps.formats.FORMATS, ["xps"], [PHOTOEMISSION], "binding_energy"),
        ("xtm", tomo.formats.FORMATS, ["tomo", "xtm"], [IMAGED, PROJECTIONS], "z"),
        ("echem", cyclers.FORMATS, ["echem", "xas/perex/echem"], [], ""),
        ("impedance", impedance_files.FORMATS, ["echem"], [], "frequency"),
    ]
    return [
        Target(
            f"{technique}.{fmt.name}",
            partial(seeds.of_format, technique, fmt, formats, folders),
            partial(read_format, fmt, formats),
            partial(judge_dataset, layouts, along),
        )
        for technique, formats, folders, layouts, along in tables
        for fmt in formats
    ]


def nothing_more(_result: Any) -> list[str]:
    return []


def read_recipe(path: Path, _seed: Seed, random: Random) -> Any:
    """Load a recipe, look for its files, and hold it against them."""
    from operando.pipelines import check, recipe

    loaded = recipe.load(path)
    logs = [loaded.echem, *loaded.series, *(clock.shared_channel for clock in loaded.clocks.values())]
    for log in logs:
        if log is not None:
            loaded.files(log)
            loaded.zone(log)
    if random.random() < 0.05:
        check.check(loaded)
    return loaded.title, loaded.store, loaded.report, loaded.volumes


def recipe_seeds() -> list[Seed]:
    small = seeds.SIMULATED
    beside = [small / "echem" / "cell7_operando_continued_C01.mpt", small / "beamline_voltage.csv"]
    beside += [small / "xas" / f"Ni_L3_{k:04d}.txt" for k in (1, 2)] + sorted((small / "xas_references").iterdir())
    return [seeds.of_file(small / "beamtime.toml", beside, small)]


def read_species(path: Path, _seed: Seed, _random: Random) -> Any:
    from operando.xps import species_file

    return species_file.entries(path)


def species_seeds() -> list[Seed]:
    return [seeds.of_file(path) for path in sorted((seeds.ROOT / "xps").rglob("*.toml"))]


def read_classifier(path: Path, _seed: Seed, _random: Random) -> Any:
    from operando.tomo import classifier_file

    classifier = classifier_file.load(path)
    grey = xr.DataArray(np.arange(216.0).reshape(6, 6, 6), dims=("z", "y", "x"))
    for name in "zyx":
        grey = grey.assign_coords({name: (name, np.arange(6.0), {"units": "um"})})
    return classifier.predict(grey.assign_attrs(units="1")).compute(scheduler="synchronous")


def classifier_seeds() -> list[Seed]:
    from phase_phantoms import blobs, by_grey, strokes

    from operando.tomo import Features, PixelClassifier

    phases = blobs(16, 1, (0.5, 0.5))
    grey = by_grey(phases, 2, (20000, 30000), 0.7, 2000)
    few = PixelClassifier(features=Features((1.0,), ("gaussian", "deviation")), trees=3, leaf=2, seed=8)
    return [Seed("fitted", {"a.forest": few.fit(grey, strokes(phases, 3, 5), {1: "a", 2: "b"}).to_bytes()}, "a.forest")]


def read_labels(path: Path, _seed: Seed, _random: Random) -> Any:
    from operando.pipelines.steps import images

    return images._labels(path, SimpleNamespace(sizes={"y": 8, "x": 10}))


def label_seeds() -> list[Seed]:
    import io

    import tifffile

    numbers = np.arange(80, dtype="u1").reshape(8, 10) // 20
    plain, page = io.BytesIO(), io.BytesIO()
    np.save(plain, numbers)
    tifffile.imwrite(page, numbers)
    return [Seed("npy", {"a.npy": plain.getvalue()}, "a.npy"), Seed("tif", {"a.tif": page.getvalue()}, "a.tif")]


def read_store(path: Path, _seed: Seed, _random: Random) -> Any:
    import operando
    from operando import store

    store.verify(path, data=True)
    with operando.open(path) as tree:
        return store.series_nodes(tree)


def store_seeds() -> list[Seed]:
    import small_experiments

    from operando.pipelines.writer import Writer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.zarr"
        with Writer(path, {"experiment": "cell 4"}) as writer:
            writer.append({"xas/Ni_K/raw": small_experiments.absorption(4)})
            writer.replace({"echem": small_experiments.cycling(30)})
        return [seeds.of_folder(Path(folder), "cell.zarr")]


def read_folder(path: Path, _seed: Seed, random: Random) -> Any:
    """Look into a folder as ``operando inspect`` does, and draft its recipe."""
    from operando.pipelines import draft, survey

    found = survey.survey(path)
    for text in found.failed:
        if "\n" in text:
            raise AssertionError(f"more than a line: {text}")
    if random.random() < 0.5:
        draft.draft(found)
    return found


def folder_seeds() -> list[Seed]:
    """Return folders of two small files each: sound ones beside one that will be damaged."""
    found = []
    targets = [target for target in _formats() if target.name.partition(".")[0] in (*SPECTRA, "echem", "xpeem")]
    for target in targets:
        for seed in target.seeds()[:2]:
            small = sum(map(len, seed.files.values())) < 300_000
            if small:
                found.append(Seed(f"{target.name} {seed.name}", dict(seed.files), "."))
    return found


@cache
def targets() -> dict[str, Target]:
    """Return every reader by its name."""
    others = [
        Target("recipe", recipe_seeds, read_recipe, nothing_more),
        Target("species", species_seeds, read_species, nothing_more),
        Target("classifier", classifier_seeds, read_classifier, nothing_more),
        Target("labels", label_seeds, read_labels, nothing_more),
        Target("store", store_seeds, read_store, nothing_more),
        Target("inspect", folder_seeds, read_folder, nothing_more),
    ]
    return {target.name: target for target in [*_formats(), *others]}


__all__ = ["OperandoError", "Target", "targets"]
