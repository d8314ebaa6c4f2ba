"""How a bad file is refused: in one line, without a warning, in no time."""

from __future__ import annotations

import time
import warnings

from operando.errors import OperandoError, OperandoWarning


def refused(read, *args, longest=5000, **settings) -> str:
    """Return in which line a file is refused; anything else but a dataset fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", OperandoWarning)
        said = ""
        try:
            read(*args, **settings)
        except OperandoError as error:
            said = str(error)
    assert "\n" not in said
    assert len(said) < longest
    return said


def quick(work, seconds=2.0):
    begun = time.process_time()
    work()
    assert time.process_time() - begun < seconds
