"""The command line: one line for a mistake, exit codes, and what a folder holds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from operando.pipelines import cli

pytestmark = pytest.mark.usefixtures("no_report")

MAIN = "from operando.pipelines.cli import main; main()"


@pytest.fixture
def operando_cli(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["operando", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "160")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, shown.err

    return call


def test_init_check_run_run(operando_cli, beamtime):
    (beamtime / "beamtime.toml").unlink()
    code, shown, _ = operando_cli("init", beamtime)
    assert code == 0
    assert "FILL IN" in (beamtime / "beamtime.toml").read_text(encoding="utf-8")
    code, _, told = operando_cli("run", beamtime)
    assert code == 2
    assert told.count("\n") == 1
    assert "experiment.timezone: expected an IANA time zone" in told
    text = (beamtime / "beamtime.toml").read_text(encoding="utf-8")
    (beamtime / "beamtime.toml").write_text(
        text.replace('timezone = ""', 'timezone = "Europe/Zurich"'), encoding="utf-8"
    )
    assert operando_cli("check", beamtime)[0] == 0
    code, shown, _ = operando_cli("run", beamtime)
    assert code == 0
    assert "Ni_L3: 60 scans" in shown
    assert "(68 new" in shown  # 60 scans, 5 of them once more as NXxas, 3 references
    assert "(0 new" in operando_cli("run", beamtime)[1]


def test_a_bad_file_ends_with_exit_code_3_and_is_named(operando_cli, beamtime):
    bad = min((beamtime / "xas").iterdir())
    bad.write_bytes(b"")
    code, shown, _ = operando_cli("run", beamtime)
    assert code == 3
    assert f"{bad.name}: expected data, got an empty file" in shown
    assert "59 scans (59 new" in shown


def test_inspect_tells_readers_times_and_what_is_odd(operando_cli, beamtime):
    (beamtime / "xas" / "broken.txt").write_bytes(b"")
    (beamtime / "photo.bin").write_bytes(b"\x00\x01\x02" * 100)
    code, shown, _ = operando_cli("inspect", beamtime)
    assert code == 0
    for text in ("echem/*.mpt (2)", "xas Ni_L3", "2026-05-18 17:42", "an empty file", "no reader", "*.bin (1)"):
        assert text in shown


def test_a_recipe_is_never_overwritten(operando_cli, beamtime):
    before = (beamtime / "beamtime.toml").read_text(encoding="utf-8")
    code, _, told = operando_cli("init", beamtime)
    assert code == 2
    assert "there is a recipe already" in told
    assert (beamtime / "beamtime.toml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["inspect", "nowhere"], "expected a folder, got nothing there"),
        (["run", "nowhere"], "operando init"),
        (["report", "nowhere.zarr"], "expected a store"),
        (["init", "."], "no file that a reader knows"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(operando_cli, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, _, shown = operando_cli(*arguments)
    assert code == 2
    assert shown.count("\n") == 1
    assert told in shown
    assert "Traceback" not in shown


def test_simulate_then_report_from_the_store(operando_cli, tmp_path, with_report):
    changes = tmp_path / "changes.toml"
    changes.write_text(
        "[nickel]\nscans = 12\n[xps]\nscans = 8\n[xpeem]\nscans = 0\n[tomography]\nsteps = 0\n",
        encoding="utf-8",
    )
    assert operando_cli("simulate", tmp_path / "cell", "--changes", changes)[0] == 0
    assert operando_cli("run", tmp_path / "cell")[0] == 0
    first = (tmp_path / "cell" / "report.html").rename(tmp_path / "first.html")
    assert operando_cli("report", tmp_path / "cell" / "cell7.zarr")[0] == 0
    again = (tmp_path / "cell" / "report.html").read_text(encoding="utf-8")
    assert "Simulated Li3PS4 | NCM811 cell" in again
    assert len(again) == pytest.approx(first.stat().st_size, rel=0.01)


def test_a_user_simulates_a_cell_of_their_own(operando_cli, tmp_path):
    changes = tmp_path / "changes.toml"
    changes.write_text(
        "[cell]\nactive_mass = 3.5\n[nickel]\nscans = 4\n[xps]\nscans = 1\n[xpeem]\nscans = 0\n"
        "[tomography]\nsteps = 0\n[faults]\ngain_from = 0\n",
        encoding="utf-8",
    )
    assert operando_cli("simulate", tmp_path / "cell", "--changes", changes)[0] == 0
    assert len(list((tmp_path / "cell" / "xas").iterdir())) == 4
    assert "active_mass = 3.5" in (tmp_path / "cell" / "beamtime.toml").read_text(encoding="utf-8")
    changes.write_text("[cell]\nmass = 3.5\n", encoding="utf-8")
    code, _, told = operando_cli("simulate", tmp_path / "other", "--changes", changes)
    assert code == 2
    assert "cell.mass" in told


def test_a_log_gets_plain_lines(beamtime):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for path in sorted((beamtime / "xas").iterdir())[6:]:
        path.unlink()
    command = [sys.executable, "-c", MAIN, "run", str(beamtime)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "Ni_L3: 6 of 6\n" in told.stdout
    assert "\x1b" not in told.stdout
    assert "\r" not in told.stdout
    assert told.stderr == ""


def test_an_unwritable_place_is_told_in_one_line(operando_cli, beamtime, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    text = (beamtime / "beamtime.toml").read_text(encoding="utf-8")
    (beamtime / "beamtime.toml").write_text(text.replace("cell7.zarr", "../file/cell7.zarr"), encoding="utf-8")
    code, _, told = operando_cli("run", beamtime)
    assert code == 2
    assert "Traceback" not in told


@pytest.mark.realdata
def test_two_edges_in_one_folder_become_two_nodes(operando_cli, realdata, tmp_path):
    for name in ("MnO_rt_01.xdi", "Ni_metal_rt_01.xdi", "MnO2_rt_01.xdi"):
        shutil.copy(realdata / "xas" / "xdl" / name, tmp_path)
    assert operando_cli("init", tmp_path)[0] == 0
    code, shown, _ = operando_cli("run", tmp_path)
    assert code == 0
    assert "Mn_K: 2 scans" in shown
    assert "Ni_K: 1 scan" in shown
