"""How electrons lose energy on their way out: the universal loss functions of Tougaard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError

from .background_kernels import loss_matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LossFunction:
    """K(T) = B T / ((C + C' T^2)^2 + D T^2), T the energy loss (eV), none below the gap (eV).

    U2 has C' = 1 and D = 0, U3 has C' = -1, U4 all four parameters.
    """

    b: float
    c: float
    c_prime: float = 1.0
    d: float = 0.0
    gap: float = 0.0
    meaning: str = ""

    @property
    def parameters(self) -> tuple[float, float, float, float]:
        """C (eV^2), C', D (eV^2) and the gap (eV), as the kernels take them."""
        return self.c, self.c_prime, self.d, self.gap


LOSS_FUNCTIONS = {
    "universal": LossFunction(2866.0, 1643.0, meaning="metals, their oxides and alloys"),
    "polymer": LossFunction(434.0, 551.0, -1.0, 436.0, meaning="polymers"),
}
"""B in eV^2; S. Tougaard, Surf. Interface Anal. 25, 137 (1997),
doi:10.1002/(SICI)1096-9918(199703)25:3<137::AID-SIA230>3.0.CO;2-L."""


def loss_function(kind: str, step: str, **changed: float | None) -> LossFunction:
    """Return the loss function of that name, with those of its parameters ``changed`` that are not None.

    Raises
    ------
    OperandoError
        If there is none, or a parameter makes no loss function.
    """
    if kind not in LOSS_FUNCTIONS:
        raise OperandoError(f"{step}: expected a loss function among {', '.join(LOSS_FUNCTIONS)}, got {kind!r}")
    given = {name: float(value) for name, value in changed.items() if value is not None}
    found = LossFunction(**{**vars(LOSS_FUNCTIONS[kind]), **given})
    if not (found.c > 0 and found.d >= 0 and found.gap >= 0):
        got = f"c = {found.c:g}, d = {found.d:g}, gap = {found.gap:g}"
        raise OperandoError(f"{step}: expected c above 0 and d and gap of at least 0, got {got}")
    if found.c_prime < 0 and found.d == 0:
        raise OperandoError(f"{step}: expected d above 0 where c_prime is below 0, got 0; the loss has a pole")
    return found


def loss_operator(
    x: Floats,
    kind: str = "universal",
    *,
    c: float | None = None,
    d: float | None = None,
    c_prime: float | None = None,
    gap: float | None = None,
) -> Floats:
    """Return the matrix that convolves a line with a loss function of B = 1.

    The background of a line of area A and unit-area shape f is A B (L @ f): (L f)(E) = Int K(E - E') f(E') dE' over
    E' < E, by the trapezoid rule on the points as they lie.

    Parameters
    ----------
    x
        Binding energies (eV), ascending, in any steps.
    kind
        A name in :data:`LOSS_FUNCTIONS`, whose parameters the others replace.
    c, d
        C and D (eV^2).
    c_prime
        C' (1).
    gap
        Least energy loss (eV).

    Returns
    -------
    numpy.ndarray
        (point, point), zero on and above the diagonal (1/eV^2).

    Raises
    ------
    OperandoError
        If the energies do not ascend, or the loss function is unknown or none.

    Notes
    -----
    S. Tougaard, Surf. Interface Anal. 25, 137 (1997),
    doi:10.1002/(SICI)1096-9918(199703)25:3<137::AID-SIA230>3.0.CO;2-L.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import xps
    >>> print(xps.loss_operator(np.arange(160.0, 165.0)).shape)
    (5, 5)
    """
    chosen = loss_function(kind, "loss_operator", c=c, d=d, c_prime=c_prime, gap=gap)
    energies = np.ascontiguousarray(x, dtype=np.float64)
    if energies.ndim != 1 or not np.all(np.diff(energies) > 0):
        raise OperandoError("loss_operator: expected ascending binding energies, got others; sort them first")
    return loss_matrix(energies, chosen.parameters)
