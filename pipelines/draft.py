"""Draft a recipe from what a folder holds: as much as can be known, the rest marked for the user."""

from __future__ import annotations

import glob
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from operando.errors import OperandoError

from .recipe import RECIPE_NAME
from .survey import ECHEM, Group, Survey, first_signal, survey
from .toml_text import toml, toml_key
from .volume_survey import FOLDERS, OPEN, few_values

VOLUMES = "xtm"


def write_draft(folder: str | Path) -> tuple[Path, Survey]:
    """Write ``beamtime.toml`` into ``folder``, with comments that say what is still to be filled in.

    Parameters
    ----------
    folder
        Of a beamtime.

    Returns
    -------
    tuple of Path and Survey
        The recipe written, and what was found.

    Raises
    ------
    OperandoError
        If a recipe exists already or the folder holds nothing that a reader knows.
    """
    found = survey(folder)
    path = found.folder / RECIPE_NAME
    if not found.groups:
        reason = f"; {found.failed[0]}" if found.failed else ""
        raise OperandoError(f"{folder}: expected scans or a cycler's log, found no file that a reader knows{reason}")
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(draft(found))
    except FileExistsError:
        raise OperandoError(f"{path}: there is a recipe already; edit it, or remove it to draft a new one") from None
    except OSError as error:
        raise OperandoError(f"{path}: cannot be written ({error.strerror}); recipes lie beside the files") from None
    return path, found


def draft(found: Survey) -> str:
    """Return the text of a recipe for what was found."""
    logs = [group for group in found.groups if group.technique == ECHEM]
    series = [group for group in found.groups if group.technique != ECHEM]
    lines = list(_experiment(found, logs, series))
    if logs:
        lines += [*_cell(logs[0]), *_echem(logs[0], found.folder), *_clock(series)]
    lines += [line for log in logs[1:] for line in _other_log(log, found.folder)]
    names: dict[str, set[str]] = defaultdict(set)
    made = any(group.technique == VOLUMES and not group.notes["projections"] for group in series)
    for group in series:
        name = _unused(group.label, names[group.technique])
        drafted = _series(group, found, linked=bool(logs), name=name)
        lines += _left_out(drafted) if made and group.notes["projections"] else drafted
    return "\n".join(lines) + "\n"


def _experiment(found: Survey, logs: list[Group], series: list[Group]) -> Iterator[str]:
    yield "# What was measured and how it is worked up; paths start from this file's folder."
    yield "# After editing: 'operando check', then 'operando run'."
    yield ""
    yield "[experiment]"
    yield f"name = {toml(found.folder.resolve().name)}"
    if logs:
        yield 'timezone = ""   # FILL IN the zone of the local times in these files, such as "Europe/Paris"'
    elif any(group.times for group in series):
        yield '# timezone = "Europe/Paris"   # the zone of local times; without it, times that name no zone stay unused'


def _cell(log: Group) -> Iterator[str]:
    yield ""
    yield "[cell]   # what is given here overrides the header of the cycler's files; both are kept"
    yield f"# active_mass = 7.0            # mg{_header_hint(log)}"
    yield "# reference_capacity = 1.4     # mAh, the charge that takes the state of charge from 0 to 1"
    yield "# soc0 = 0.0                   # state of charge at the start of the log"
    yield '# reference_electrode = "Li+/Li"'
    yield "# potential_offset = 0.0       # V, added to the voltage to give the potential vs Li+/Li (In/InLi: 0.62)"
    yield ""
    yield "# [onsets]   # potentials (V vs Li+/Li) whose crossings are of interest, such as those of Li3PS4:"
    yield "# oxidation = { above = 2.3 }"
    yield "# reduction = { below = 1.7 }   # hold = 60.0 (s) leaves out shorter stays"


def _header_hint(log: Group) -> str:
    stated = json.loads(log.example.attrs.get("metadata", "{}")) if log.example is not None else {}
    mass = stated.get("cell", {}).get("active_mass")
    return "" if mass is None else f"; the cycler's header says {mass:g} mg, which may be a leftover"


def _echem(log: Group, folder: Path) -> Iterator[str]:
    yield ""
    yield f"[echem]   # {_about(log)}"
    yield f"files = {toml(_patterns(log, folder))}"
    yield f"reader = {toml(log.reader)}"
    yield 'clock = "cycler"   # the reference that other clocks are brought to'
    yield from _read(log, "echem.read")


def _other_log(log: Group, folder: Path) -> Iterator[str]:
    yield ""
    yield f"# Another log, left out: {_about(log)}"
    yield f"# files = {toml(_patterns(log, folder))}   reader = {toml(log.reader)}"


def _left_out(projections: Iterable[str]) -> Iterator[str]:
    """Yield the series of projections that lie beside volumes, ready to be taken."""
    yield ""
    yield "# Projections, left out since volumes are there; without the '# ' before these lines they are made anew:"
    yield from (f"# {line}" for line in projections if line)


def _clock(series: list[Group]) -> Iterator[str]:
    if series:
        yield ""
        yield "[clocks.beamline]   # how the scans' clock differs from the cycler's"
        yield "offset = 0.0        # s, what it shows too much"
        yield "drift = 0.0         # relative, 25e-6 is 2.2 s a day"
        yield "sigma = 1.0         # s, how well the two are known to agree"
        yield 'method = "assumed"  # or ntp, trigger, event, manual; or shared_channel = { files = [...] } alone'
        yield "# or, in place of these numbers, events that both noted, by the times that each showed:"
        yield "# events = [{ label = 'beam dump', shown = '... 18:00:05', reference = '... 17:59:28', std = 0.5 }]"


def _series(group: Group, found: Survey, *, linked: bool, name: str) -> Iterator[str]:
    yield ""
    yield f"[[series]]   # {_about(group)}"
    notes = [f"{count} {note}" for note, count in group.notes.most_common() if note != "projections"]
    if notes:
        yield f"# flagged: {', '.join(notes)}"
    yield f"node = {toml(name)}"
    yield f"technique = {toml(group.technique)}"
    yield f"files = {toml(_patterns(group, found.folder))}"
    yield f"reader = {toml(group.reader)}"
    if linked:
        yield 'clock = "beamline"'
    yield from _middle(group)
    yield from _read(group, "series.read")
    yield from _steps(group)


def _middle(group: Group) -> Iterator[str]:
    """Say what the header's seconds to the middle are taken for, with the evidence."""
    header = group.settings.get("time", {}).get("middle")
    if header is not None and len(group.middles) > 1:
        yield f"# {header!r} is {min(group.middles):.4g} to {max(group.middles):.4g} s in these files: it is taken as"
        yield "# the time from a scan's own start to its middle (it would grow if it counted from the first scan)"


def _read(group: Group, table: str) -> Iterator[str]:
    if group.settings:
        yield f"[{table}]"
        for key, value in group.settings.items():
            about = "   # FILL IN the edge of a voxel in um, such as 0.65" if value == OPEN else ""
            yield f"{toml_key(key)} = {toml(value)}{about}"


def _steps(group: Group) -> Iterator[str]:
    kinds = {"xas": _absorption_steps, "xpeem": _image_steps, "xps": _photoemission_steps, "xtm": _volume_steps}
    yield from kinds[group.technique](group)


def _absorption_steps(group: Group) -> Iterator[str]:
    signal = first_signal(group.example) if group.example is not None else None
    if signal is None or group.example is None:
        yield "# No signal was recognized: name the column of mu, tey, tfy, transmission or fluorescence above,"
        yield '# then add [[series.steps]] use = "normalize" with that signal, and use = "edge_energy"'
        return
    if signal != "mu" and "detector" in group.example[signal].dims:
        yield "[[series.steps]]   # dead elements are left out; dead_time (s) and count_time (s) undo dead time"
        yield 'use = "merge_detectors"'
        yield f"name = {toml(signal)}"
    yield "[[series.steps]]"
    yield 'use = "normalize"'
    yield f"signal = {toml(signal)}"
    yield "[[series.steps]]"
    yield 'use = "edge_energy"'
    yield 'method = "half_height"'


def _photoemission_steps(group: Group) -> Iterator[str]:
    """Yield what is guessed, and how regions are joined to one axis, so that lines of several are fitted together."""
    if "columns" in group.settings:
        yield "# The columns are guessed: if these are kinetic energies, name kinetic_energy, and photon_energy in eV"
    if "region" in group.settings:
        region = group.settings["region"]
        yield f"# region = {toml([region, 'another'])} joins regions of each file to one axis, to be fitted together"
    yield from _lines_to_choose(group)


def _lines_to_choose(group: Group) -> Iterator[str]:
    """Yield the steps of a fit, with the species of the core level that are known."""
    from operando import xps

    level = str(group.example.attrs.get("region", "")) if group.example is not None else ""
    try:
        known = [one.name for one in xps.species(level)] if level else []
    except OperandoError:
        known = []
    yield '# [[series.steps]]   use = "deglitch"   leaves out single points that stand out'
    if known:
        yield f'# [[series.steps]]   use = "fit"   level = {toml(level)}   species = {toml(known[:3])}'
        yield f"# known are {'; '.join(known)}"
    yield '# or lines = [...] of your own, each a table with kind = "peak" or "doublet", name, position and fwhm'


def _image_steps(_group: Group) -> Iterator[str]:
    """Yield the steps of a stack of images as far as they need no numbers, and those that do for the user."""
    for name, about in (
        ("correct", "dark, flat and incoming intensity, as far as they are known"),
        ("drift", "of every frame, counted from the first frame of the first stack"),
        ("align", "moves every frame back"),
    ):
        yield f"[[series.steps]]   # {about}"
        yield f"use = {toml(name)}"
    yield "# Then regions that show the edge, and their spectra; fill in the ranges (eV):"
    yield '# [[series.steps]]   use = "regions"   pre_edge = [844.0, 850.0]   post_edge = [861.0, 865.0]'
    yield '# [[series.steps]]   use = "spectra"'
    yield '# and for these use = "normalize", "edge_energy", "lcf"; for every pixel "maps", "fraction_maps"'


def _reconstruction(group: Group) -> Iterator[str]:
    """Yield the step that makes volumes of projections."""
    yield "[[series.steps]]   # keeps the volumes beside the store, in the folder experiment.volumes"
    yield 'use = "reconstruct"'
    if _flats(group) is False:
        yield "# The files hold no images of the beam alone (flats): name them above as datasets = { flat = '/path' }"
    yield "# center = 1023.5               # pixel onto which the axis of rotation falls; looked for by default"
    yield '# rings = "sorting"             # takes stripes out of sinograms; or filtering, fitting, large, dead, all'
    yield "# delta_beta = 500.0   energy = 20.0   distance = 100.0   # keV, mm: phase retrieval, one a line"


def _flats(group: Group) -> bool | None:
    """Whether projections come with images of the beam; None where it is not known."""
    return None if group.example is None else "flat" in group.example


def _volume_steps(group: Group) -> Iterator[str]:
    """Yield the steps of volumes as far as they need no numbers, and those that do for the user."""
    if group.notes["projections"]:
        yield from _reconstruction(group)
    values = few_values(group.example)
    if values:
        yield f"# The volume holds the values {', '.join(map(str, values))} and no others: it was segmented before."
        yield "[[series.steps]]   # names = [...] tells what they are, from the lowest on"
        yield 'use = "segment"'
        yield f"thresholds = {toml([(low + high) / 2 for low, high in pairwise(values)])}"
    else:
        yield "[[series.steps]]   # from the first volume; or thresholds = [...], levels = [...] of known phases"
        yield 'use = "segment"'
        yield "classes = 3   # 2 for one material and what surrounds it: a third class would be but their edges"
    yield "[[series.steps]]"
    yield 'use = "fractions"'
    yield "# Before them 'denoise', 'remove_rings', 'match_grey', 'register' and 'align' prepare the volumes."
    yield "# Then transport through a phase, and where two touch; blur is that of an edge, in voxels:"
    yield '# [[series.steps]]   use = "tortuosity"   of = "phase_2"'
    yield '# [[series.steps]]   use = "contact"   a = "phase_3"   b = "phase_2"   blur = 0.7'
    yield "# Then what phases are like: surface, chords, geodesic, constrictivity, correlation, representative:"
    yield '# [[series.steps]]   use = "structure"   quantities = ["surface", "chords"]'
    yield "# Then cracks; fill in grey levels of what they run through and of void, or leave them to the first volume:"
    yield '# [[series.steps]]   use = "cracks"   matrix = 13000.0   void = 9000.0'
    yield '# [[series.steps]]   use = "label"   of = "crack"   smallest = 30'
    yield "[[series.steps]]   # keeps slices for the report: after the steps whose results they shall show"
    yield 'use = "preview"'
    yield '# [[series.steps]]   use = "objects"'
    yield '# [[series.steps]]   use = "track"   node = "cracks"'


def _about(group: Group) -> str:
    kind = "folder" if group.suffix == FOLDERS else "file"
    count = f"{len(group.paths)} {kind}{'s' if len(group.paths) > 1 else ''}"
    if group.span is None:
        return f"{count}, no times"
    first, last = (str(time.astype("datetime64[s]")).replace("T", " ") for time in group.span)
    return f"{count}, {first} to {last} as stated in the files"


def _patterns(group: Group, folder: Path) -> list[str]:
    """Return one pattern if it matches the group's files and no others, else the files' names."""
    parent = glob.escape(group.folder.relative_to(folder).as_posix())
    prefix = "" if parent == "." else f"{parent}/"
    suffix, folders = glob.escape(group.suffix), group.paths[0].is_dir()
    pattern = "/".join(["*"] * len(group.paths[0].relative_to(group.folder).parts))
    alike = {path for path in group.folder.glob(f"{pattern}{suffix}") if path.is_dir() == folders}
    if len(group.paths) > 1 and set(group.paths) == alike:
        return [f"{prefix}{pattern}{suffix}"]
    return [f"{prefix}{glob.escape(path.relative_to(group.folder).as_posix())}" for path in group.paths]


def _unused(name: str, taken: set[str]) -> str:
    number, unused = 1, name
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    taken.add(unused)
    return unused
