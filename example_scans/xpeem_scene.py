"""What the photoemission electron microscope looks at: particles with a spectrum each, on a textured background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import erfc

from operando.errors import RecipeError

from .cell import Floats
from .image_parameters import Xpeem
from .noise import stream

WAVES = 12
WAVELENGTHS = (2.0, 10.0)
"""Range of the wavelengths of the background's texture, um."""
TRIES = 200_000


@dataclass(frozen=True)
class Scene:
    """The sample, in px of a frame without drift; it is known between the pixels.

    ``y, x, radius`` of each particle; ``brightness`` its relative yield; ``waves`` rows of wave numbers in y and
    x (1/px) and phase; ``edge`` the standard deviation of the blur of an edge, px.
    """

    y: Floats
    x: Floats
    radius: Floats
    brightness: Floats
    waves: np.ndarray
    edge: float


def scene(law: Xpeem, seed: int) -> Scene:
    """Return the sample of a seed: discs that do not touch, whole within the frame.

    Raises
    ------
    RecipeError
        If the particles do not fit.
    """
    noise = stream(seed, "xpeem", "scene")
    radius = np.sort(noise.uniform(*law.radius, law.particles))[::-1] / law.pixel
    edge = law.edge_width / law.pixel
    y, x = _apart(radius, 4 * edge, law.pixels, noise)
    brightness = np.exp(law.brightness_spread * noise.standard_normal(law.particles))
    number = 2 * np.pi * law.pixel / noise.uniform(*WAVELENGTHS, WAVES)
    direction, phase = noise.uniform(0, 2 * np.pi, (2, WAVES))
    waves = np.column_stack([number * np.sin(direction), number * np.cos(direction), phase])
    return Scene(y, x, radius, brightness, waves, edge)


def covers(
    sample: Scene, pixels: int, shift: tuple[float, float]
) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
    """Yield each particle's number, the part of the frame it reaches, and how much of each pixel it covers.

    The cover is a disc's edge blurred by a Gaussian: erfc((r - R)/(sqrt(2) edge))/2.

    Parameters
    ----------
    shift
        Displacement of the image in y and in x, px.
    """
    for number, radius in enumerate(sample.radius):
        y, x = sample.y[number] + shift[0], sample.x[number] + shift[1]
        reach = radius + 5 * sample.edge
        rows, columns = (_within(center, reach, pixels) for center in (y, x))
        if rows.stop > rows.start and columns.stop > columns.start:
            distance = np.hypot(*_offsets(rows, columns, y, x))
            yield number, (rows, columns), erfc((distance - radius) / (np.sqrt(2) * sample.edge)) / 2


def texture(sample: Scene, pixels: int, shift: tuple[float, float]) -> np.ndarray:
    """Return the background's pattern, of mean 0 and standard deviation 1, dims (y, x)."""
    y, x = np.arange(pixels) - shift[0], np.arange(pixels) - shift[1]
    pattern = np.zeros((pixels, pixels))
    for in_y, in_x, phase in sample.waves:
        pattern += np.real(np.exp(1j * (in_y * y + phase))[:, np.newaxis] * np.exp(1j * in_x * x))
    scaled: np.ndarray = pattern * np.sqrt(2 / len(sample.waves))
    return scaled


def labels(sample: Scene, pixels: int) -> np.ndarray:
    """Return the particle of each pixel of a frame without drift, counted from 1; 0 outside (uint8)."""
    label = np.zeros((pixels, pixels), dtype=np.uint8)
    for number, part, cover in covers(sample, pixels, (0.0, 0.0)):
        label[part][cover > 0.5] = number + 1
    return label


def walk(law: Xpeem, seed: int, stack: int, frames: int) -> np.ndarray:
    """Return the displacement of the image in every frame of a stack, px, dims (frame, y x).

    A random walk, scaled so that it ends up to ``drift_range`` from where the stack began; the first stack
    begins at zero.
    """
    noise = stream(seed, "xpeem", "drift", stack)
    began = law.drift_between * noise.standard_normal(2) * (stack > 1)
    steps = np.cumsum(noise.standard_normal((frames, 2)), axis=0)
    steps -= steps[0]
    farthest = np.hypot(*steps.T).max()
    path: np.ndarray = began + steps * (law.drift_range / farthest if farthest else 0.0)
    return path


def _apart(radius: Floats, between: float, pixels: int, noise: np.random.RandomState) -> tuple[Floats, Floats]:
    """Return centers of discs that lie whole within the frame, at least ``between`` apart."""
    y, x = np.empty(0), np.empty(0)
    for _ in range(TRIES):
        if y.size == radius.size:
            return y, x
        mine = radius[y.size]
        at = noise.uniform(mine + between / 2, pixels - 1 - mine - between / 2, 2)
        if (np.hypot(y - at[0], x - at[1]) > radius[: y.size] + mine + between).all():
            y, x = np.append(y, at[0]), np.append(x, at[1])
    raise RecipeError([f"xpeem.particles: expected what fits into the frame without touching, got {radius.size}"])


def _within(center: float, reach: float, pixels: int) -> slice:
    return slice(max(0, int(np.floor(center - reach))), min(pixels, int(np.ceil(center + reach)) + 1))


def _offsets(rows: slice, columns: slice, y: float, x: float) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(rows.start, rows.stop)[:, np.newaxis] - y, np.arange(columns.start, columns.stop) - x
