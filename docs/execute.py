"""Execute notebooks that are written as scripts, several at a time, and keep what they show.

``python docs/execute.py docs/notebooks/*.py --into build/notebooks`` writes ``build/notebooks/<name>.ipynb`` with all
outputs. A notebook runs in that folder, so that it finds ``operando-demo`` there. One that raises an error is shown and
ends this with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

LONGEST = 300
"""Seconds that a cell may take."""


def main() -> int:
    """Execute what is asked for; return how many notebooks failed, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scripts", nargs="+", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    with ThreadPoolExecutor(asked.jobs) as pool:
        failed = [one for one in pool.map(lambda script: execute(script, asked.into), asked.scripts) if one]
    for text in failed:
        sys.stderr.write(f"{text}\n")
    used = os.times()
    sys.stdout.write(f"processor time of all notebooks: {used.children_user + used.children_system:.0f} s\n")
    return int(bool(failed))


def execute(script: Path, folder: Path) -> str:
    """Execute one notebook, write it with its outputs, and return what went wrong, nothing if all went well."""
    started, notebook = monotonic(), jupytext.read(script)
    client: Any = NotebookClient(
        notebook, timeout=LONGEST, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    wrong = ""
    try:
        client.execute()
    except CellExecutionError as error:
        wrong = f"{script}: {error}"
    nbformat.write(notebook, folder / f"{script.stem}.ipynb")
    sys.stdout.write(f"{script.name}: {'failed' if wrong else 'done'} in {monotonic() - started:.0f} s\n")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
