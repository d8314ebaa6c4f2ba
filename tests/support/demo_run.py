"""The demo as a user starts it, made once for all tests that look at what it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_once import made_once
from typer.testing import CliRunner

from operando.pipelines.cli import app


def demo_run(factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the demo's own in ``demo`` and what it printed in ``shown.txt``.

    CI, which has just made one by ``make demo``, names it in the environment as OPERANDO_DEMO.
    """
    if "OPERANDO_DEMO" in os.environ:
        return Path(os.environ["OPERANDO_DEMO"])

    def make(folder: Path) -> None:
        ended = CliRunner(env={"COLUMNS": "160"}).invoke(app, ["demo", str(folder / "demo")])
        assert ended.exit_code == 0, ended.output
        (folder / "shown.txt").write_text(ended.output, encoding="utf-8")

    return made_once(factory, "demo", make)
