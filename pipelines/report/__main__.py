"""Write the report of a store in a process of its own that leaves the processor to others: STORE PAGE."""

from __future__ import annotations

import os
import sys

from operando.errors import OperandoError

from . import write_store

_NICE = 10


def main() -> None:
    """Write it; a mistake is one line and exit code 2."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    try:
        write_store(sys.argv[1], sys.argv[2])
    except (OperandoError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)


main()
