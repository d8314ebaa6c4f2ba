"""A model as the kernels take it: numbers for names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from .affine import Affine
from .constraints import Fixed, Free, Link, Quantity, Stated, resolved
from .expressions import Expression
from .joining import windows
from .loss_functions import loss_operator
from .model import BACKGROUND, POSITION_WINDOW, Background, Doublet, Line, Model, Peak, shape_of
from .model_kernels import CUMULATIVE, NO_LOSS, OPERATOR, PER_LINE, Floats, Points, Structure

LOSSES = {"shirley": CUMULATIVE, "tougaard": OPERATOR, "none": NO_LOSS}
AREA, POSITION, FWHM, SHIFT = "area", "position", "fwhm", "shift"


@dataclass(frozen=True)
class Compiled:
    """A model in numbers.

    ``names``, ``start``, ``low``, ``high`` are those of the free parameters; ``structure`` is how the kernels' full
    parameters follow from them (:mod:`~operando.xps.model_kernels`), ``rows`` the same by name, and ``quantities``
    whatever the model speaks of (``"PS4.area"``) in terms of the free ones. ``peaks`` are the names of the lines,
    ``owners`` which of them each of the kernels' lines belongs to, and ``keys`` what there is to tell of a line.
    ``regions`` are those on the axis, one without a name if there is only one, and ``places`` that of each peak;
    ``phases`` are those whose lines move together. ``expressed`` are the quantities whose expressions are not affine:
    the last of the names, as parameters without bounds that lmfit sets from the others.
    """

    names: tuple[str, ...]
    start: Floats
    low: Floats
    high: Floats
    structure: Structure
    rows: tuple[tuple[str, Affine], ...]
    quantities: dict[str, Affine]
    background: Background
    peaks: tuple[str, ...]
    owners: NDArray[np.int64]
    keys: tuple[str, ...]
    regions: tuple[str, ...]
    places: NDArray[np.int64]
    phases: tuple[str, ...]
    expressed: dict[str, Expression]

    @property
    def varied(self) -> int:
        """How many parameters are free; after them come those that are expressed."""
        return len(self.names) - len(self.expressed)

    def completed(self, free: Floats) -> Floats:
        """Return all parameters where those that are free have these values; NaN where an expression has none."""
        values = dict(zip(self.names, free.tolist(), strict=False))
        for name, one in self.expressed.items():
            values[name] = one.at({of: self.quantities[of].at(values) for of in one.names})
        return np.array([values[name] for name in self.names])

    def begun(self, free: Floats) -> Floats:
        """Return all parameters at a start; expressions see areas that are not known yet, and are zero, as one."""
        unknown = np.array([name.endswith(f".{AREA}") for name in self.names[: self.varied]]) & (free == 0)
        return np.append(free, self.completed(np.where(unknown, 1.0, free))[self.varied :])

    def dense(self, quantities: list[Affine]) -> tuple[Floats, Floats]:
        """Return factors (quantity, free parameter) and offsets."""
        factors = np.array([[one.terms.get(name, 0.0) for name in self.names] for one in quantities])
        return factors.reshape(len(quantities), len(self.names)), np.array([one.offset for one in quantities])

    def points(self, energy: Floats, region: NDArray[np.object_] | None = None) -> Points:
        """Return the points at which the model is evaluated: ascending binding energies (eV), the region of each."""
        found = {"": slice(0, energy.size)} if region is None else windows(region.tolist())
        spans = [found[name] for name in self.regions]
        terms, kind = len(self.background.terms), NO_LOSS if self.background.static else LOSSES[self.background.kind]
        basis = np.zeros((terms * len(spans), energy.size))
        operator = np.zeros((energy.size, energy.size) if kind == OPERATOR else (0, 0))
        for k, span in enumerate(spans):
            own = energy[span]
            basis[k * terms : (k + 1) * terms, span] = np.vander(own - middle(own), terms, increasing=True).T
            if kind == OPERATOR:
                operator[span, span] = loss_operator(own, self.background.loss)
        ends = np.array([[span.start, span.stop] for span in spans], np.int64)
        return np.ascontiguousarray(energy), basis, operator, kind, ends, self.places[self.owners]


def background_name(region: str) -> str:
    """Return what the quantities of a region's background are named after."""
    return f"{region} {BACKGROUND}" if region else BACKGROUND


def middle(energy: Floats) -> float:
    """Return the energy about which the background's polynomial is written."""
    return float(energy[0] + energy[-1]) / 2


def compile_model(model: Model) -> Compiled:
    """Return the model in numbers.

    Raises
    ------
    OperandoError
        If names repeat or are unknown, or links go in a circle.
    """
    _check_names(model)
    asked = _quantities(model)
    quantities = resolved(asked)
    rows = tuple(_rows(model, quantities))
    used = {name for _, row in rows for name in row.terms}
    expressed = _expressed(asked, quantities, used)
    free = {name: one for name, one in asked.items() if isinstance(one, Free) and name in used}
    idle = [phase for phase in model.shifts if isinstance(asked[name := f"{phase}.{SHIFT}"], Free) and name not in free]
    if idle:
        said = f"Model: expected a line that the shift of {', '.join(idle)} moves, got none"
        raise OperandoError(f"{said}; give the positions of its lines as numbers")
    names = (*free, *expressed)
    start, low, high = (np.array([getattr(one, key) for one in free.values()]) for key in ("start", "low", "high"))
    low, high = np.append(low, [-np.inf] * len(expressed)), np.append(high, [np.inf] * len(expressed))
    copies = 1 + len(model.satellites)
    owners = np.array([k for k, line in enumerate(model.lines) for _ in _members(line) for _ in range(copies)])
    codes = np.array([shape_of(model.lines[k]).code for k in owners], np.int64)
    structure = _structure(codes, names, [row for _, row in rows])
    compiled = Compiled(
        names,
        start,
        low,
        high,
        structure,
        rows,
        quantities,
        model.background,
        tuple(line.name for line in model.lines),
        owners,
        tuple(_keys(model, quantities)),
        model.regions,
        np.array([model.regions.index(line.region or "") for line in model.lines], np.int64),
        tuple(model.shifts),
        expressed,
    )
    return replace(compiled, start=_completed_start(compiled)) if expressed else compiled


def _expressed(
    asked: dict[str, Stated | Affine], quantities: dict[str, Affine], used: set[str]
) -> dict[str, Expression]:
    """Return the expressions that are not affine, each after those on which it hangs; ``used`` gains what they use."""
    found: dict[str, Expression] = {}
    for name in reversed(quantities):
        one = asked[name]
        if isinstance(one, Expression) and quantities[name].terms.keys() == {name} and name in used:
            used |= {term for other in one.names for term in quantities[other].terms}
            found[name] = one
    return dict(reversed(found.items()))


def _completed_start(compiled: Compiled) -> Floats:
    """Return where a fit starts with the expressed quantities.

    Raises
    ------
    OperandoError
        If one of them has no value there.
    """
    found = compiled.begun(compiled.start)
    lost = [name for name, value in zip(compiled.names, found.tolist(), strict=True) if not np.isfinite(value)]
    if lost:
        said = f"expected expressions that have a value where the fit starts, got none for {', '.join(lost)}"
        raise OperandoError(f"Model: {said} ({compiled.expressed[lost[0]].text!r})")
    return found


def _keys(model: Model, quantities: dict[str, Affine]) -> Iterator[str]:
    """Yield what there is to tell of lines: area, position, width, and the parameters of their shapes."""
    yield from (AREA, POSITION, FWHM)
    if any(f"{line.name}.fwhm_2" in quantities for line in model.lines):
        yield "fwhm_2"
    yield from dict.fromkeys(one.name for line in model.lines for one in shape_of(line).parameters)


def _check_names(model: Model) -> None:
    if not model.lines:
        raise OperandoError("Model: expected at least one line, got none")
    names = [line.name for line in model.lines]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise OperandoError(f"Model: expected every name once, got {', '.join(double)} more than once")
    if "" in model.regions and len(model.regions) > 1:
        bare = ", ".join(line.name for line in model.lines if not line.region)
        raise OperandoError(f"Model: expected a region for every line or for none, got none for {bare}")
    phases = {line.phase for line in model.lines if line.phase}
    lost = sorted(set(model.shifts) - phases)
    if lost:
        said = f"expected shifts of phases that lines have ({', '.join(sorted(phases)) or 'none'})"
        raise OperandoError(f"Model: {said}, got {', '.join(lost)}")


def _quantities(model: Model) -> dict[str, Stated | Affine]:
    """Return all quantities of the model by name, before links are followed."""
    found: dict[str, Stated | Affine] = {}
    for line in model.lines:
        found |= {f"{line.name}.{key}": one for key, one in line.quantities().items()}
    for region in model.regions:
        name = background_name(region)
        found |= {f"{name}.{key}": one for key, one in model.background.quantities().items()}
    _share_shapes(model, found)
    for name, link in model.links.items():
        if name not in found:
            raise OperandoError(f"Model: a link ties {name!r}, which there is not; expected one of {', '.join(found)}")
        found[name] = link
    for phase, shift in model.shifts.items():
        found[f"{phase}.{SHIFT}"] = _shift(phase, shift)
    _move_phases(model, found)
    return found


def _share_shapes(model: Model, found: dict[str, Stated | Affine]) -> None:
    """Tie shape parameters that are not given to the first line of the region and shape that does not give them."""
    first: dict[tuple[str | None, str, str], str] = {}
    for line in model.lines:
        for parameter in shape_of(line).parameters:
            name, key = f"{line.name}.{parameter.name}", (line.region, line.shape, parameter.name)
            if name in found:
                continue
            if key in first:
                found[name] = Link(first[key])
            else:
                first[key] = name
                found[name] = Free(parameter.start, parameter.lower, parameter.upper)


def _shift(phase: str, shift: Quantity) -> Free | Fixed | Link:
    if isinstance(shift, int | float) and not isinstance(shift, bool):
        return Free(float(shift), float(shift) - POSITION_WINDOW, float(shift) + POSITION_WINDOW)
    if not isinstance(shift, Free | Fixed | Link):
        raise OperandoError(f"Model: expected a number, Free, Fixed or Link as shift of {phase!r}, got {shift!r}")
    return shift


def _move_phases(model: Model, found: dict[str, Stated | Affine]) -> None:
    """Let the positions of a shifted phase be their starts plus its shift."""
    for line in model.lines:
        name = f"{line.name}.{POSITION}"
        if line.phase not in model.shifts or not isinstance(found[name], Free):
            continue
        if isinstance(line.position, Free):
            said = f"Model: the position of {line.name!r} is free and its phase {line.phase!r} shifts"
            raise OperandoError(f"{said}; give it as a number, or leave the phase out")
        shift = found[f"{line.phase}.{SHIFT}"]
        offset = float(line.position) if isinstance(line.position, int | float) else 0.0
        if isinstance(shift, Fixed):
            found[name] = Fixed(offset + shift.value)
        else:
            found[name] = Link(f"{line.phase}.{SHIFT}", 1.0, offset)


def _members(line: Line) -> Iterator[tuple[str, float, bool]]:
    """Yield each line of a peak or doublet: its suffix, its share of the area, whether it is the second."""
    if isinstance(line, Peak):
        yield "", 1.0, False
    else:
        yield "_1", 1.0 / (1.0 + line.ratio), False
        yield "_2", line.ratio / (1.0 + line.ratio), True


def _rows(model: Model, quantities: dict[str, Affine]) -> Iterator[tuple[str, Affine]]:
    """Yield the full parameters in the kernels' order, named ``line_1.area``."""
    for line in model.lines:
        for suffix, share, second in _members(line):
            of_line = _of_member(line, second=second, quantities=quantities)
            for copy, (below, part) in enumerate([(0.0, 1.0), *model.satellites]):
                name = f"{line.name}{suffix}" + (f"_satellite_{copy}" if copy else "")
                yield f"{name}.{AREA}", quantities[f"{line.name}.{AREA}"].times(share * part)
                yield f"{name}.{POSITION}", of_line[0].times(1.0, -below)
                yield f"{name}.{FWHM}", of_line[1]
                shapes = [one.name for one in shape_of(line).parameters]
                for key in shapes:
                    yield f"{name}.{key}", quantities[f"{line.name}.{key}"]
                for spare in range(PER_LINE - 3 - len(shapes)):
                    yield f"{name}.spare_{spare}", Affine()
    names = [background_name(region) for region in model.regions]
    for name in names:
        yield f"{name}.height", quantities.get(f"{name}.height", Affine())
    for name in names:
        for key in model.background.terms:
            yield f"{name}.{key}", quantities[f"{name}.{key}"]


def _of_member(line: Line, *, second: bool, quantities: dict[str, Affine]) -> tuple[Affine, Affine]:
    """Return position and width of the first or the second line."""
    position, fwhm = quantities[f"{line.name}.{POSITION}"], quantities[f"{line.name}.{FWHM}"]
    if second and isinstance(line, Doublet):
        return position + quantities[f"{line.name}.splitting"], quantities.get(f"{line.name}.fwhm_2", fwhm)
    return position, fwhm


def _structure(codes: np.ndarray, names: tuple[str, ...], rows: list[Affine]) -> Structure:
    index = {name: k for k, name in enumerate(names)}
    terms = [[(index[name], factor) for name, factor in row.terms.items()] for row in rows]
    pointers = np.cumsum([0, *(len(row) for row in terms)]).astype(np.int64)
    columns = np.array([column for row in terms for column, _ in row], np.int64)
    factors = np.array([factor for row in terms for _, factor in row], np.float64)
    return codes, pointers, columns, factors, np.array([row.offset for row in rows])
