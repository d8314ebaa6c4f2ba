"""Least squares for rigid shifts: y(t, l) = c(l) + s(t, phase of l), with everything that follows for the errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .line_positions import Positions

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
_RANK = 1e-9


@dataclass(frozen=True)
class Solution:
    """Shifts (scan, phase; NaN where no line shows) and line energies (line), the shifts' mean over ``part`` zero.

    ``own`` (scan, phase, phase) is the covariance of the shifts if the lines' energies were known, ``gain`` (scan,
    phase, line) what the shifts take of the positions, ``common`` the covariance of the lines' energies before the
    zero was chosen, and ``part`` (scan, phase) the weights of the scans that make the zero.
    """

    shift: Floats
    energy: Floats
    own: Floats
    gain: Floats
    common: Floats
    part: Floats
    chi2: float
    freedom: int

    def mean_covariance(self) -> tuple[Floats, Floats]:
        """Return the covariance of every shift with the zero (phase, scan, phase), and that of the zero."""
        mean_gain = np.einsum("tq,tql->ql", self.part, self.gain)
        cross = np.einsum("uq,uqp->qup", self.part, self.own)
        cross += np.einsum("ql,lm,upm->qup", mean_gain, self.common, self.gain, optimize=True)
        return cross, np.einsum("qup,up->qp", cross, self.part)

    def within(self) -> Floats:
        """Return the covariance of the shifts of each scan (scan, phase, phase)."""
        cross, zero = self.mean_covariance()
        plain = self.own + np.einsum("tql,lm,tpm->tqp", self.gain, self.common, self.gain, optimize=True)
        across = cross.transpose(1, 0, 2)
        return np.asarray(plain - across - across.transpose(0, 2, 1) + zero)

    def between(self, turn: Floats) -> Floats:
        """Return the covariance (scan, k, scan, k) of the combinations ``turn`` (k, phase) of the shifts."""
        cross, zero = self.mean_covariance()
        gain = np.einsum("kq,tql->tkl", turn, self.gain)
        dense = np.einsum("tkl,lm,ujm->tkuj", gain, self.common, gain, optimize=True)
        index = np.arange(len(self.own))
        dense[index, :, index, :] += np.einsum("kq,tqp,jp->tkj", turn, self.own, turn, optimize=True)
        across = np.einsum("kq,qup,jp->kuj", turn, cross, turn, optimize=True)
        dense -= across[np.newaxis]
        dense -= across.transpose(1, 2, 0)[:, :, np.newaxis, :]
        return np.asarray(dense + (turn @ zero @ turn.T)[np.newaxis, :, np.newaxis, :])


def solve(positions: Positions, reference: Booleans) -> Solution:
    """Return the shifts that fit all positions best, by weighted least squares in closed form.

    Scans are independent once the energies of the lines are known, so these come first, from the Schur complement.
    ``reference`` are the scans over which the mean of a phase's shift is zero; where the phase shows in none of them,
    those where it shows.
    """
    member, weights = positions.member, positions.weights()
    middle = np.nanmedian(np.where(positions.usable.any(axis=0), positions.position, 0.0), axis=0)
    y = np.where(positions.usable, positions.position - middle, 0.0)
    shown = (positions.usable.astype(float) @ member) > 0
    weighted = np.einsum("lq,tlm->tqm", member, weights)
    normal = weighted @ member
    index = np.arange(member.shape[1])
    normal[:, index, index] = np.where(shown, normal[:, index, index], 1.0)
    own = np.linalg.inv(normal)
    gain = own @ weighted
    reduced = weights - weighted.transpose(0, 2, 1) @ gain
    common = np.linalg.pinv(reduced.sum(axis=0), rcond=_RANK, hermitian=True)
    energy = common @ np.einsum("tlm,tm->l", reduced, y)
    left = y - energy
    shift = np.einsum("tql,tl->tq", gain, left)
    rest = np.where(positions.usable, left - shift @ member.T, 0.0)
    chi2 = float(np.einsum("tl,tlm,tm->", rest, weights, rest))
    part = _part(shown, reference)
    zero = (part * shift).sum(axis=0)
    freedom = int(np.count_nonzero(positions.usable) - np.count_nonzero(shown) - len(energy) + member.shape[1])
    own, gain = own * shown[:, :, np.newaxis] * shown[:, np.newaxis, :], gain * shown[:, :, np.newaxis]
    return Solution(
        shift=np.where(shown, shift - zero, np.nan),
        energy=energy + middle + member @ zero,
        own=own,
        gain=gain,
        common=common,
        part=part,
        chi2=chi2,
        freedom=freedom,
    )


def _part(shown: Booleans, reference: Booleans) -> Floats:
    """Return the weights (scan, phase) of the scans whose mean shift is zero."""
    chosen = shown & reference[:, np.newaxis]
    chosen = np.where(chosen.any(axis=0), chosen, shown)
    many = np.maximum(chosen.sum(axis=0), 1)
    return np.asarray(chosen / many, dtype=np.float64)
