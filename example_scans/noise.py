"""Random numbers that stay the same: on every platform, with every numpy, whatever is added later."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.RandomState:
    """Return the random numbers of one instrument, and of one scan of it.

    Each ``(seed, *names)`` has a stream of its own, so that a further instrument or scan does not change
    the noise of the others. ``RandomState`` is the generator whose distributions numpy has frozen (NEP 19);
    ``Generator`` may change them between versions.
    """
    keys = [crc32(str(name).encode()) for name in names]
    return np.random.RandomState(np.random.MT19937(np.random.SeedSequence([seed, *keys])))
