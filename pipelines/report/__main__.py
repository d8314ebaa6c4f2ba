"""Write the report of a store in a process of its own that leaves the processor to others: STORE PAGE."""

from __future__ import annotations

import os
import sys
import warnings

from operando.errors import OperandoError, OperandoWarning

from . import write_store

_NICE = 10


def main() -> None:
    """Write it; a mistake is one line and exit code 2."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", OperandoWarning)
            write_store(sys.argv[1], sys.argv[2])
    except (OperandoError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    for one in said:
        print(one.message, file=sys.stderr)  # noqa: T201


main()
