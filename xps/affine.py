"""What is affine in the free parameters of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Affine:
    """A sum of free parameters times factors, plus a number."""

    terms: Mapping[str, float] = field(default_factory=dict)
    offset: float = 0.0

    @property
    def varies(self) -> bool:
        """Whether it hangs on any free parameter."""
        return any(self.terms.values())

    def times(self, factor: float, offset: float = 0.0) -> Affine:
        """Return ``factor`` times this, plus ``offset``."""
        return Affine({name: factor * value for name, value in self.terms.items()}, factor * self.offset + offset)

    def __add__(self, other: Affine) -> Affine:
        """Return the sum of both."""
        terms = dict(self.terms)
        for name, value in other.terms.items():
            terms[name] = terms.get(name, 0.0) + value
        return Affine(terms, self.offset + other.offset)

    def at(self, values: Mapping[str, float]) -> float:
        """Return the value where the free parameters have these ``values``."""
        return self.offset + sum(factor * values[name] for name, factor in self.terms.items())
