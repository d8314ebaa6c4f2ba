"""What neighboring values share: how many count as independent, and how to redraw them in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MOST = 0.97
"""Largest correlation of neighbors that is believed: beyond it a series holds hardly more than one value."""
FEWEST_BLOCKS = 5
_TRIED = np.r_[0.0:0.8:5j, 0.85, 0.9, 0.94, MOST]


def neighbor_correlation(values: Array) -> float:
    """Return the correlation of neighboring values, from -0.97 to 0.97.

    The estimate is low by (1 + 3 r)/n (M. G. Kendall, Biometrika 41, 403 (1954), doi:10.1093/biomet/41.3-4.403),
    which is added.
    """
    centered = values - values.mean()
    square = float(centered @ centered)
    if values.size < 4 or square <= 0:
        return 0.0
    found = float(centered[1:] @ centered[:-1]) / square
    return float(np.clip(found + (1 + 3 * found) / values.size, -MOST, MOST))


def effective_number(x: Array, y: Array) -> float:
    """Return how many independent pairs tell as much about a correlation as these: n (1 - a b)/(1 + a b).

    a and b are the correlations of neighbors in either series. At most n, at least 3. C. S. Bretherton et al.,
    J. Climate 12, 1990 (1999), doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2.
    """
    shared = neighbor_correlation(x) * neighbor_correlation(y)
    return float(np.clip(x.size * (1 - shared) / (1 + shared), min(3.0, x.size), x.size))


@dataclass(frozen=True)
class Memory:
    """What errors share with those k places on: ``neighbor * decay^(k - 1)`` of their variance.

    ``decay`` is more than ``neighbor`` where noise, which nothing shares, lies over what lasts: at most its root, for
    errors stated for each value may be shared after all.
    """

    neighbor: float
    decay: float

    @classmethod
    def of(cls, errors: Array, noise: float = 0.0) -> Memory:
        """Return the memory of errors, of whose variance ``noise`` is known to be shared by none."""
        neighbor = max(neighbor_correlation(errors), 0.0)
        variance = float(errors.var())
        lasting = max(variance - noise, np.sqrt(neighbor) * variance)
        return cls(neighbor, min(neighbor * variance / lasting, MOST) if lasting > 0 else 0.0)

    @classmethod
    def behind(cls, residual: Array, design: Array, noise: float) -> tuple[float, Memory]:
        """Return the variance and the memory of the errors behind the residuals of a fit.

        A fit takes with it what errors share with its columns, most of all what lasts: residuals vary less than the
        errors, and their neighbors share less. Errors of the memory returned leave, on average, residuals whose
        neighbors correlate as these do. The square of an estimated correlation is too large by 1/n, which is taken off.

        Parameters
        ----------
        residual
            What the fit leaves, in the order of time.
        design
            The columns of the fit, dims (value, column).
        noise
            Part of the variance that is stated to be shared by none. Where it leaves too little for what neighbors
            share, those two places apart tell how long that lasts.
        """
        n, square = residual.size, float(residual @ residual)
        if n < FEWEST_BLOCKS or square <= 0:
            return square / n, cls(0.0, 0.0)
        q, _ = np.linalg.qr(design)
        seen, next_seen = (float(residual[k:] @ residual[:-k]) / square for k in (1, 2))
        left = np.maximum.accumulate([_left(q, cls(r, r)) for r in _TRIED])
        neighbor = float(np.sqrt(max(np.interp(seen, left, _TRIED) ** 2 - 1 / n, 0.0)))
        taken = float(np.trace(q.T @ cls(neighbor, neighbor).times(q)))
        variance = square / max(n - taken, n / 10)
        lasting = variance - noise
        if neighbor == 0:
            return variance, cls(0.0, 0.0)
        if lasting >= np.sqrt(neighbor) * variance:
            decay = neighbor * variance / lasting
        else:
            decay = float(np.clip(next_seen / seen + neighbor - seen, neighbor, np.sqrt(neighbor)))
        return variance, cls(neighbor, min(decay, MOST))

    def longer(self, other: Memory) -> Memory:
        """Return what either of two lets last longer."""
        return Memory(max(self.neighbor, other.neighbor), max(self.decay, other.decay))

    @property
    def whole(self) -> float:
        """The variance of a mean of errors, in that of independent ones."""
        return 1 + 2 * self.neighbor / (1 - self.decay)

    def shared(self, n: int) -> Array:
        """Return what errors 0 to ``n`` - 1 places apart share of their variance."""
        k = np.arange(1, n)
        found: Array = np.r_[1.0, self.neighbor * self.decay ** (k - 1)]
        return found

    def times(self, columns: Array) -> Array:
        """Return the covariances of errors of unit variance times ``columns``, dims (value, column)."""
        n = columns.shape[0]
        shared = self.shared(n)
        around = np.fft.rfft(np.r_[shared, 0.0, shared[:0:-1]])
        found: Array = np.fft.irfft(around[:, None] * np.fft.rfft(columns, 2 * n, axis=0), 2 * n, axis=0)[:n]
        return found

    def block_length(self, n: int) -> int:
        """Return the length of blocks that suits a mean of ``n`` values: (3/2 (G/g)^2 n)^(1/3), at most n/5.

        g is the sum of what is shared over all distances, G that weighed by the distance; at least n^(1/3), which keeps
        what this memory does not know. D. N. Politis, H. White, Econom. Rev. 23, 53 (2004),
        doi:10.1081/ETC-120028836.
        """
        weighed = 2 * self.neighbor / (1 - self.decay) ** 2
        best = (1.5 * (weighed / self.whole) ** 2 * n) ** (1 / 3)
        return int(np.clip(np.ceil(max(best, n ** (1 / 3))), 1, max(n // FEWEST_BLOCKS, 1)))

    def lost_by_blocks(self, length: int) -> float:
        """Return by what factor blocks understate the standard error of a mean; 1 or more.

        What is shared beyond the ends of a block is lost: of its sum only that weighed by 1 - k/length is seen.
        """
        apart = np.arange(length)
        seen = 2 * float(((1 - apart / length) * self.shared(length)).sum()) - 1
        return float(np.sqrt(max(self.whole / seen, 1.0)))


def _left(q: Array, memory: Memory) -> float:
    """Return the mean correlation of neighboring residuals of a fit with orthonormal columns ``q``."""
    n = q.shape[0]
    moved = memory.times(q)
    taken = q.T @ moved
    lost = (q[:-1] * moved[1:] + moved[:-1] * q[1:] - (q[:-1] @ taken) * q[1:]).sum()
    return float(((n - 1) * memory.neighbor - lost) / (n - np.trace(taken)))


@dataclass(frozen=True)
class Draws:
    """How often to draw again, where to begin, and how many neighbors stay together (None: as their memory asks)."""

    count: int = 500
    seed: int = 0
    block: int | None = None

    def length(self, n: int, memory: Memory) -> int:
        """Return the length of the blocks of ``n`` values."""
        return memory.block_length(n) if self.block is None else min(self.block, n)

    def places(self, n: int, length: int) -> npt.NDArray[np.intp]:
        """Return ``n`` of the places 0 to n - 1 for each draw, blocks of a circle; dims (draw, place)."""
        rng = np.random.default_rng(self.seed)
        starts = rng.integers(0, n, (self.count, -(-n // length)))
        return ((starts[:, :, None] + np.arange(length)) % n).reshape(self.count, -1)[:, :n]

    def counts(self, n: int, length: int) -> Array:
        """Return how often each place is drawn, dims (draw, place)."""
        at = self.places(n, length) + n * np.arange(self.count)[:, None]
        return np.bincount(at.ravel(), minlength=n * self.count).reshape(self.count, n).astype(float)
