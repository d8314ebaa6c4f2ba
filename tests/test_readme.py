"""What the README shows is what happens."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from demo_run import demo_run

from operando.pipelines.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return demo_run(tmp_path_factory)


def test_the_demo_prints_estimate_truth_and_pull(demo):
    shown = (demo / "shown.txt").read_text(encoding="utf-8")
    for text in ("clock, offset at the end", "half-cycles", "edge energy", "pull", "onsets found", "report:"):
        assert text in shown


def test_the_python_lines_draw_the_edge_against_potential(demo, monkeypatch):
    monkeypatch.chdir(demo)
    mpl.use("Agg")
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    exec(compile(code, "README.md", "exec"), {})
    axes = plt.gca()
    assert "potential" in axes.get_xlabel()
    assert "edge energy" in axes.get_ylabel()
    assert len(axes.collections[0].get_offsets()) > 10
    plt.close("all")


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_commands_exist():
    commands = set(re.findall(r"^operando (\w+)", README, re.MULTILINE))
    assert commands
    assert commands <= {command.name or command.callback.__name__ for command in app.registered_commands}
    targets = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)
