"""Shell fits of single spectra by larch, which runs in this one place."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np

from operando.errors import FileError, OperandoError

from .shell_errors import Components, components, uncertainties
from .shell_model import Guess, Shell
from .tapers import taper
from .wavenumber import FFT_POINTS, Floats, continued

FITTED, NOT_CONVERGED, AT_BOUND, NO_DATA, TOO_SHORT = range(5)
"""How a fit went."""

STATISTICS = ("r_factor", "reduced_chi_square")
_PREFIX = "free_"
_NAMES = {"delr": "deltar"}
_NEAR_BOUND = 1e-4
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class FitRange:
    """What of chi is fitted: ranges in 1/angstrom and angstrom, and the window of the Fourier transform."""

    kmin: float
    kmax: float
    rmin: float
    rmax: float
    kweight: int
    dk: float
    window: str
    kstep: float

    def weight(self, size: int) -> Floats:
        """Return window times power of k on the first ``size`` points of the grid."""
        k = self.kstep * np.arange(FFT_POINTS, dtype=np.float64)
        weight: Floats = k**self.kweight * taper(k, self.kmin, self.kmax, (self.dk, self.dk), self.window)
        return weight[:size]

    def independent_points(self) -> float:
        """Return how many numbers the range can tell."""
        return float(1 + 2 * (self.rmax - self.rmin) * (self.kmax - self.kmin) / np.pi)


def larch() -> SimpleNamespace:
    """Return the functions of larch that a shell fit needs.

    Raises
    ------
    OperandoError
        If xraylarch is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from larch import Group
            from larch.fitting import guess, param_group
            from larch.xafs import feffit, feffit_dataset, feffit_transform
            from larch.xafs.feffdat import FeffPathGroup, ff2chi
    except ImportError:
        raise OperandoError('fit_shells needs xraylarch; pip install "operando[larch]"') from None
    return SimpleNamespace(
        Group=Group,
        guess=guess,
        param_group=param_group,
        feffit=feffit,
        feffit_dataset=feffit_dataset,
        feffit_transform=feffit_transform,
        FeffPathGroup=FeffPathGroup,
        ff2chi=ff2chi,
    )


def read_paths(shells: Sequence[Shell]) -> list[Any]:
    """Return the paths as larch has them, their parameters numbers or names of variables.

    Raises
    ------
    FileError
        If a file is not a path of FEFF.
    """
    found = []
    for shell in shells:
        values = {
            _NAMES.get(name, name): _PREFIX + value if isinstance(value, str) else float(value)
            for name, value in shell.parameters.items()
        }
        try:
            path = larch().FeffPathGroup(filename=str(shell.file), degen=shell.degeneracy, **values)
        except (ValueError, IndexError, KeyError, AttributeError, TypeError, UnicodeDecodeError) as error:
            raise FileError(
                shell.file, "a path of FEFF", f"something else ({error})", remedy="give a file named like feff0001.dat"
            ) from None
        found.append(path)
    return found


def fit_rows(
    chi: Floats, *, shells: Sequence[Shell], guesses: Mapping[str, Guess], within: FitRange
) -> tuple[Floats, Floats]:
    """Fit an array of chi along its last axis: numbers and the fitted chi of each spectrum.

    The numbers are the values of the variables, their standard uncertainties, the statistics, and how it went.
    """
    rows = np.ascontiguousarray(chi, dtype=np.float64).reshape(-1, chi.shape[-1])
    numbers = np.full((len(rows), 2 * len(guesses) + len(STATISTICS) + 1), np.nan)
    curves = np.full(rows.shape, np.nan)
    tools = components(within.weight(rows.shape[1]), within.kstep, within.rmin, within.rmax)
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        paths = read_paths(shells)
        for i, row in enumerate(rows):
            numbers[i, -1] = _usable(row, within)
            if numbers[i, -1] == FITTED:
                data = row[: np.flatnonzero(np.isfinite(row))[-1] + 1]
                try:
                    result = _fitted(data, paths, guesses, within)
                except Exception:  # larch and lmfit raise whatever their parts raise
                    numbers[i, -1] = NOT_CONVERGED
                else:
                    numbers[i], curves[i, : data.size] = _judged(data, result, guesses, tools)
    return numbers.reshape(*chi.shape[:-1], -1), curves.reshape(chi.shape)


def _usable(chi: Floats, within: FitRange) -> int:
    if np.isnan(continued(chi)).any():
        return NO_DATA
    ended = within.kstep * (np.isfinite(chi).sum() - 0.5) < within.kmax
    return TOO_SHORT if ended else FITTED


def _fitted(chi: Floats, paths: list[Any], guesses: Mapping[str, Guess], within: FitRange) -> Any:
    """Return larch's result for one spectrum."""
    lib = larch()
    variables = {
        _PREFIX + name: lib.guess(guess.value, min=guess.low, max=guess.high) for name, guess in guesses.items()
    }
    data = lib.Group(k=within.kstep * np.arange(chi.size), chi=chi.copy())
    dataset = lib.feffit_dataset(data=data, pathlist=paths, transform=lib.feffit_transform(**vars(within)))
    return lib.feffit(lib.param_group(**variables), dataset, path_outputs=False)


def _judged(chi: Floats, result: Any, guesses: Mapping[str, Guess], tools: Components) -> tuple[Floats, Floats]:
    """Return the numbers of one fit, and the fitted chi."""
    values = np.array([result.params[_PREFIX + name].value for name in guesses])
    model = _model(result)
    slopes = np.stack([_slope(result, _PREFIX + name) for name in guesses], axis=1)
    std, reduced = uncertainties(chi, chi - model, slopes, tools)
    state = FITTED if result.success and np.isfinite(std).all() else NOT_CONVERGED
    state = AT_BOUND if _at_bound(values, list(guesses.values())) else state
    return np.array([*values, *std, result.rfactor, reduced, state]), model


def _model(result: Any) -> Floats:
    """Return chi of the paths with the parameters as they are in ``result``."""
    dataset = result.datasets[0]
    summed: Floats = larch().ff2chi(dataset.paths, params=result.params, k=dataset.model.k, group=larch().Group()).chi
    return summed


def _slope(result: Any, name: str) -> Floats:
    """Return the derivative of chi by a variable, whose value stays what it was."""
    parameter = result.params[name]
    best = parameter.value
    width = 1e-5 + 1e-4 * abs(best)
    ends = []
    for value in (best + width, best - width):
        parameter.value = value
        ends.append((parameter.value, _model(result)))
    parameter.value = best
    (high, above), (low, below) = ends
    slope: Floats = (above - below) / (high - low)
    return slope


def _at_bound(values: Floats, guesses: list[Guess]) -> bool:
    """Return whether a value lies at a bound, within 1e-4 of the allowed range (or of the bound, if there is one)."""
    for value, guess in zip(values, guesses, strict=True):
        for bound in (guess.low, guess.high):
            width = guess.high - guess.low if np.isfinite(guess.high - guess.low) else abs(bound)
            if np.isfinite(bound) and abs(value - bound) <= _NEAR_BOUND * max(width, _NEAR_BOUND):
                return True
    return False
