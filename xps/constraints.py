"""What a quantity of a line may be: free within bounds, fixed, or tied to others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import TypeGuard

from operando.errors import OperandoError

from .affine import Affine
from .expressions import Expression


@dataclass(frozen=True)
class Free:
    """A quantity to be found, from ``start``, between ``low`` and ``high``.

    Examples
    --------
    >>> from operando import xps
    >>> print(xps.Free(161.5, low=161.0, high=162.0))
    Free(start=161.5, low=161.0, high=162.0)
    """

    start: float
    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.low <= self.start <= self.high and isfinite(self.start)):
            got = f"start {self.start:g} between {self.low:g} and {self.high:g}"
            raise OperandoError(f"Free: expected low < high and a start between them, got {got}")


@dataclass(frozen=True)
class Fixed:
    """A quantity that is known: ``value``, in its own unit (eV for energies and widths).

    Examples
    --------
    >>> from operando import xps
    >>> print(xps.Fixed(1.18))
    Fixed(value=1.18)
    """

    value: float

    def __post_init__(self) -> None:
        if not isfinite(self.value):
            raise OperandoError(f"Fixed: expected a finite number, got {self.value}")


@dataclass(frozen=True)
class Link:
    """A quantity tied to another of its kind.

    It is ``factor`` times that named ``to``, such as ``"Li2S.fwhm"``, plus ``offset``.

    Examples
    --------
    One width for two lines, and an energy 1.3 eV above:

    >>> from operando import xps
    >>> print(xps.Link("PS4.fwhm"), xps.Link("PS4.position", offset=1.3))
    Link(to='PS4.fwhm', factor=1.0, offset=0.0) Link(to='PS4.position', factor=1.0, offset=1.3)
    """

    to: str
    factor: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.factor) and isfinite(self.offset)):
            raise OperandoError(f"Link to {self.to!r}: expected finite numbers, got {self.factor} and {self.offset}")


Stated = Free | Fixed | Link | Expression
"""What a model says of a quantity."""
Quantity = float | Stated
"""A number is where a quantity starts, free within a window that suits it."""
FWHM_WINDOW = (0.4, 2.5)
"""By which factors a width given as a number may change."""


def positive(quantity: Quantity | None, start: float) -> Stated:
    """Return a quantity that is not negative; free from ``start`` if it is not given."""
    if quantity is None or is_number(quantity):
        return Free(start if quantity is None else float(quantity), 0.0)
    return tied(quantity)


def around(width: Quantity) -> Stated:
    """Return a width; a number is free within a factor either way."""
    if is_number(width):
        return Free(float(width), FWHM_WINDOW[0] * float(width), FWHM_WINDOW[1] * float(width))
    return tied(width)


def tied(quantity: Quantity) -> Stated:
    """Return a quantity that is no number.

    Raises
    ------
    OperandoError
        If it is none.
    """
    if not isinstance(quantity, Stated):
        raise OperandoError(f"Model: expected a number, Free, Fixed, Link or Expression, got {quantity!r}")
    return quantity


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_quantity(value: object) -> bool:
    """Whether a value can be a quantity."""
    return is_number(value) or isinstance(value, Stated)


def resolved(quantities: Mapping[str, Stated | Affine]) -> dict[str, Affine]:
    """Return every quantity in terms of the free ones, and of those whose expressions are not affine.

    Raises
    ------
    OperandoError
        If a tie leads nowhere, in a circle, or a link to a quantity of another kind.
    """
    found: dict[str, Affine] = {}
    for name in quantities:
        _resolve(name, quantities, found, ())
    return found


def _resolve(
    name: str,
    quantities: Mapping[str, Stated | Affine],
    found: dict[str, Affine],
    path: tuple[str, ...],
) -> Affine:
    if name in found:
        return found[name]
    if name in path:
        raise OperandoError(f"Model: links go in a circle: {' -> '.join([*path[path.index(name) :], name])}")
    quantity = quantities[name]
    if isinstance(quantity, Free):
        found[name] = Affine({name: 1.0})
    elif isinstance(quantity, Fixed):
        found[name] = Affine({}, quantity.value)
    elif isinstance(quantity, Link):
        _check_link(name, quantity.to, quantities)
        target = _resolve(quantity.to, quantities, found, (*path, name))
        found[name] = target.times(quantity.factor, quantity.offset)
    elif isinstance(quantity, Expression):
        _check_names(name, quantity, quantities)
        parts = {other: _resolve(other, quantities, found, (*path, name)) for other in quantity.names}
        affine = quantity.over(parts)
        found[name] = Affine({name: 1.0}) if affine is None else affine
    else:
        found[name] = quantity
    return found[name]


def _check_link(name: str, to: str, quantities: Mapping[str, Stated | Affine]) -> None:
    if to not in quantities:
        known = ", ".join(other for other in quantities if kind_of(other) == kind_of(name) and other != name)
        raise OperandoError(f"Model: {name} is linked to {to!r}, which there is not; expected one of {known or 'none'}")
    if kind_of(to) != kind_of(name):
        raise OperandoError(
            f"Model: {name} is linked to {to}, a quantity of another kind; link it to another of its own"
        )


def _check_names(name: str, expression: Expression, quantities: Mapping[str, Stated | Affine]) -> None:
    lost = [other for other in expression.names if other not in quantities]
    if lost:
        known = ", ".join(other for other in quantities if other != name)
        raise OperandoError(f"Model: {name} is tied to {lost[0]!r}, which there is not; expected among {known}")


def kind_of(name: str) -> str:
    """Return what a quantity is; a phase's shift is a position, as lines tied to it start from there."""
    return {"fwhm_2": "fwhm", "shift": "position"}.get(last := name.rsplit(".", 1)[-1], last)
