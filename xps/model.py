"""What a spectrum is made of: peaks, doublets, a background, and what ties them together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from operando.errors import OperandoError

from .constraints import Fixed, Free, Link, Quantity, Stated, around, is_number, is_quantity, positive, tied
from .expressions import Expression
from .known_species import core_level, tube_satellites
from .line_shapes import LineShape, line_shape
from .loss_functions import loss_function

if TYPE_CHECKING:
    from .compiled_model import Compiled

POSITION_WINDOW = 1.0
"""How far a position given as a number may move (eV), either way."""
BACKGROUND = "background"
"""What the quantities of the background are named after, as those of a line after it."""
POLYNOMIAL = ("constant", "slope", "quadratic", "cubic")
"""The coefficients of the background's polynomial: counts per eV to the power of 0 to 3."""
Kind = Literal["shirley", "tougaard", "none"]


@dataclass(frozen=True, init=False)
class Peak:
    """One line.

    Parameters
    ----------
    name
        What the line is called in the result; unique, without a dot.
    position, fwhm
        Binding energy of the maximum and full width at half maximum (eV). A number is a start, free within 1 eV
        either way or within a factor of 0.4 to 2.5; else :class:`Free`, :class:`Fixed`, :class:`Link` or
        :class:`Expression`.
    shape
        One of :data:`~operando.xps.line_shapes.SHAPES`.
    area
        Area (measured unit times eV); free, not negative and found without a start by default.
    phase
        The phase whose shift moves the line, if the model has one for it.
    region
        The region that the line is in, such as ``"S 2p"``, where several are fitted together.
    **parameters
        Parameters of the shape, such as ``mixing=0.3``. Those not given are free and common to all lines of that
        shape in the region.
    """

    name: str
    position: Quantity
    fwhm: Quantity
    shape: str
    area: Quantity | None
    phase: str | None
    region: str | None
    parameters: tuple[tuple[str, Quantity], ...]

    def __init__(
        self,
        name: str,
        position: Quantity,
        fwhm: Quantity,
        shape: str = "gl_sum",
        area: Quantity | None = None,
        *,
        phase: str | None = None,
        region: str | None = None,
        **parameters: Quantity,
    ) -> None:
        own: dict[str, Any] = {"name": name, "position": position, "fwhm": fwhm}
        own |= {"shape": shape, "area": area, "phase": phase, "region": region}
        _settle(self, own, parameters)

    def quantities(self) -> dict[str, Stated]:
        """Return what the line says of itself, by name; shape parameters only where given."""
        return _own_quantities(self)


@dataclass(frozen=True, init=False)
class Doublet:
    """Two lines split by spin and orbit, such as S 2p3/2 and 2p1/2; its area is that of both.

    Parameters
    ----------
    name, position, fwhm, shape, area, phase, region, **parameters
        As :class:`Peak` takes them; position and width are those of the first line, at lower binding energy.
    splitting
        Distance of the second line (eV); a number is fixed.
    ratio
        Area of the second line over that of the first, a number.
    level
        The core level, such as ``"S 2p"``, whose splitting and ratio hold where none are given, and whose second line
        has a width of its own where it is known to (:func:`~operando.xps.core_level`).
    fwhm_2
        Width of the second line where it differs (Coster-Kronig decay broadens 2p1/2 of the 3d metals).
    """

    name: str
    position: Quantity
    fwhm: Quantity
    splitting: Quantity
    ratio: float
    shape: str
    area: Quantity | None
    fwhm_2: Quantity | None
    phase: str | None
    region: str | None
    parameters: tuple[tuple[str, Quantity], ...]

    def __init__(
        self,
        name: str,
        position: Quantity,
        fwhm: Quantity,
        splitting: Quantity | None = None,
        ratio: float | None = None,
        *,
        level: str | None = None,
        shape: str = "gl_sum",
        area: Quantity | None = None,
        fwhm_2: Quantity | None = None,
        phase: str | None = None,
        region: str | None = None,
        **parameters: Quantity,
    ) -> None:
        if level is not None:
            known = core_level(level)
            splitting = known.splitting if splitting is None else splitting
            ratio = known.ratio if ratio is None else ratio
            own_width = not known.shared_width and not isinstance(fwhm, Fixed | Link | Expression)
            fwhm_2 = fwhm if fwhm_2 is None and own_width else fwhm_2
        if not is_number(ratio) or not 0 < ratio < inf:
            said = f"line {name!r}: expected a ratio that is a positive number, or a level that has one, got {ratio!r}"
            raise OperandoError(f"{said}; use two peaks where it is to be found")
        own: dict[str, Any] = {"name": name, "position": position, "fwhm": fwhm, "splitting": splitting}
        own |= {"ratio": float(ratio), "shape": shape, "area": area, "fwhm_2": fwhm_2, "phase": phase}
        own |= {"region": region}
        _settle(self, own, parameters)

    def quantities(self) -> dict[str, Stated]:
        """Return what the doublet says of itself, by name; shape parameters only where given."""
        found = _own_quantities(self)
        found["splitting"] = Fixed(float(self.splitting)) if is_number(self.splitting) else tied(self.splitting)
        if self.fwhm_2 is not None:
            found["fwhm_2"] = around(self.fwhm_2)
        return found


Line = Peak | Doublet


@dataclass(frozen=True)
class Background:
    """What lies under the lines.

    B(E) = ``b0 + b1 (E - Em) + ... + height * sum_j A_j C_j(E)``, Em the middle of the scan.

    Parameters
    ----------
    kind
        ``"shirley"``: C_j is the cumulative of line j from low binding energy. ``"tougaard"``: C_j is the line
        convolved with the loss function. ``"none"``: there is only the polynomial.
    polynomial
        Degree of the polynomial, 0 to 3.
    height
        k of Shirley (1/eV) or B of Tougaard (eV^2): free and not negative by default.
    constant
        The polynomial's first coefficient, in the measured unit; free by default.
    loss
        The loss function of Tougaard, one of :data:`~operando.xps.loss_functions.LOSS_FUNCTIONS`.
    static
        Whether the background is taken off before the fit, as other programs do: areas are then biased.

    Notes
    -----
    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709. Tougaard's: :func:`~operando.xps.tougaard`.
    """

    kind: Kind = "shirley"
    polynomial: int = 1
    height: Quantity | None = None
    constant: Quantity | None = None
    loss: str = "universal"
    static: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("shirley", "tougaard", "none"):
            raise OperandoError(f"Background: expected 'shirley', 'tougaard' or 'none', got {self.kind!r}")
        if self.kind == "tougaard":
            loss_function(self.loss, "Background")
        if self.polynomial not in range(len(POLYNOMIAL)):
            raise OperandoError(f"Background: expected a polynomial of degree 0 to 3, got {self.polynomial!r}")

    @property
    def terms(self) -> tuple[str, ...]:
        """The coefficients of the polynomial; none where the background is taken off before."""
        return () if self.static else POLYNOMIAL[: self.polynomial + 1]

    def quantities(self) -> dict[str, Stated]:
        """Return what the background says of itself, by name."""
        found: dict[str, Stated] = {}
        if self.kind != "none" and not self.static:
            found["height"] = positive(self.height, start=0.0)
        for name in self.terms:
            found[name] = Free(0.0)
        if self.constant is not None and not self.static:
            found["constant"] = Free(float(self.constant)) if is_number(self.constant) else tied(self.constant)
        return found


@dataclass(frozen=True)
class Model:
    """Lines and a background, and what ties them together.

    Parameters
    ----------
    lines
        Peaks and doublets.
    background
        What lies under them, in each region by itself; an active Shirley background and a straight line by default.
    links
        Ties beside those of the lines, such as ``{"Li2S.fwhm": Link("PS4.fwhm")}``; links or expressions.
    shifts
        Phases whose lines move together, and by how much (eV): a number, free within 1 eV of it, or :class:`Free`.
        Positions of their lines given as numbers then only move with the phase.
    satellites
        Lines that a source without monochromator adds to each line, as (distance to lower binding energy in eV,
        share of the line's area); see :meth:`with_satellites`.

    Raises
    ------
    OperandoError
        If names repeat or are unknown, or links go in a circle.

    Examples
    --------
    >>> from operando import xps
    >>> model = xps.Model(
    ...     [
    ...         xps.Doublet("PS4", 161.5, 1.1, level="S 2p"),
    ...         xps.Doublet("Li2S", 160.3, xps.Link("PS4.fwhm"), level="S 2p"),
    ...     ],
    ...     xps.Background("shirley"),
    ... )
    >>> print([line.name for line in model.lines])
    ['PS4', 'Li2S']
    """

    lines: tuple[Line, ...]
    background: Background = field(default_factory=Background)
    links: Mapping[str, Link | Expression] = field(default_factory=dict)
    shifts: Mapping[str, Quantity] = field(default_factory=dict)
    satellites: tuple[tuple[float, float], ...] = ()

    def __init__(
        self,
        lines: Sequence[Line],
        background: Background | None = None,
        *,
        links: Mapping[str, Link | Expression] | None = None,
        shifts: Mapping[str, Quantity] | None = None,
        satellites: Sequence[tuple[float, float]] = (),
    ) -> None:
        object.__setattr__(self, "lines", tuple(lines))
        object.__setattr__(self, "background", background or Background())
        object.__setattr__(self, "links", dict(links or {}))
        object.__setattr__(self, "shifts", dict(shifts or {}))
        object.__setattr__(self, "satellites", tuple((float(a), float(b)) for a, b in satellites))
        _ = self.compiled

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions of the lines, which a fit then wants on one axis (:func:`~operando.xps.join`); ``""`` if none."""
        return tuple(dict.fromkeys(line.region or "" for line in self.lines))

    @cached_property
    def compiled(self) -> Compiled:
        """The model as the kernels take it."""
        from .compiled_model import compile_model

        return compile_model(self)

    def with_satellites(self, source: str = "Al Ka") -> Model:
        """Return the model with the satellites of a source without monochromator, ``"Al Ka"`` or ``"Mg Ka"``.

        Raises
        ------
        OperandoError
            If the source is unknown.
        """
        anode = source.removesuffix("a").removesuffix("K").strip()
        return replace(self, satellites=tuple((one.shift, one.height) for one in tube_satellites(anode)))

    def with_overlap(self, name: str, fwhm: float = 2.5) -> Model:
        """Return the model with one more line: what is known to lie under a core level, such as ``"Ni 3p"``.

        Raises
        ------
        OperandoError
            If no overlap of that name is known.
        """
        from .species_lines import overlap_line

        return replace(self, lines=(*self.lines, overlap_line(name, fwhm)))

    @classmethod
    def from_species(
        cls, names: Sequence[str], level: str, *, fwhm: float = 1.2, background: Background | None = None
    ) -> Model:
        """Return a model of known species of one core level, all lines of one width.

        Parameters
        ----------
        names
            Species as :func:`~operando.xps.species` knows them.
        level
            The core level, such as ``"S 2p"``.
        fwhm
            Where the common width starts (eV).
        background
            What lies under the lines.

        Raises
        ------
        OperandoError
            If a name stands for no species of that level, or for several.
        """
        from .species_lines import species_lines

        return cls(species_lines(names, level, fwhm), background)

    def to_table(self) -> dict[str, Any]:
        """Return the model as a table of text and numbers, as recipes have it."""
        from .model_text import as_table

        return as_table(self)

    def to_json(self) -> str:
        """Return the model as JSON text, from which :meth:`from_json` makes it again."""
        return json.dumps(self.to_table(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> Model:
        """Return the model that JSON text, or the table read from it, describes."""
        from .model_text import from_table

        return from_table(json.loads(text) if isinstance(text, str) else text)


def shape_of(line: Line) -> LineShape:
    """Return the line shape of a line."""
    return line_shape(line.shape, f"line {line.name!r}")


def _settle(line: Line, own: Mapping[str, Any], parameters: Mapping[str, Quantity]) -> None:
    """Set the fields of a line once they are found to make sense."""
    name = own["name"]
    if not isinstance(name, str) or not name.strip() or "." in name or name == BACKGROUND:
        raise OperandoError(f"line: expected a name without a dot, other than 'background', got {name!r}")
    known = {one.name for one in line_shape(own["shape"], f"line {name!r}").parameters}
    for key, value in {**own, **parameters}.items():
        if key in parameters and key not in known:
            said = f"line {name!r}: expected parameters of {own['shape']} ({', '.join(sorted(known)) or 'none'})"
            raise OperandoError(f"{said}, got {key!r}")
        optional = key in ("area", "fwhm_2") and value is None
        if key not in ("name", "shape", "phase", "region", "ratio") and not optional and not is_quantity(value):
            raise OperandoError(
                f"line {name!r}: expected a number, Free, Fixed, Link or Expression as {key}, got {value!r}"
            )
        if key in ("fwhm", "fwhm_2") and is_number(value) and not value > 0:
            raise OperandoError(f"line {name!r}: expected a {key} above 0 eV, got {value:g}")
    for key, value in own.items():
        object.__setattr__(line, key, value)
    object.__setattr__(line, "parameters", tuple(sorted(parameters.items())))


def _own_quantities(line: Line) -> dict[str, Stated]:
    found: dict[str, Stated] = {"area": positive(line.area, start=0.0)}
    if is_number(line.position):
        at = float(line.position)
        found["position"] = Free(at, at - POSITION_WINDOW, at + POSITION_WINDOW)
    else:
        found["position"] = tied(line.position)
    found["fwhm"] = around(line.fwhm)
    limits = {one.name: (one.lower, one.upper) for one in shape_of(line).parameters}
    for name, value in line.parameters:
        found[name] = Free(float(value), *limits[name]) if is_number(value) else tied(value)
    return found
