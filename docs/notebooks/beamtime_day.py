# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A beamtime day: inspect, init, watch, report
#
# It is Monday, 17:40, and your first operando cell is in the beam. Scans will land in a folder for two days. You want to see the first
# linked spectrum tonight, not in three weeks. Four commands do that; this notebook plays the day in fast motion, with the first scans of
# the simulated cell (`operando demo` makes them, in `operando-demo`), copied one by one as an instrument would write them.

# %%
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import operando
from operando import xas

plt.rcParams.update(operando.paper_style())
os.environ |= {"FORCE_COLOR": "", "COLUMNS": "100"}  # commands answer in plain text
source = Path("operando-demo/beamtime")
folder = Path("monday")
shutil.rmtree(folder, ignore_errors=True)
(folder / "xas").mkdir(parents=True)
(folder / "echem").mkdir()


def shell(line):
    """Type a line into a terminal, and show what it answers."""
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    print(f"$ {line}\n{done.stdout}{done.stderr}")
    return done.returncode


def arrive(number):
    """Let a scan arrive."""
    name = f"Ni_L3_{number:04d}.txt"
    shutil.copy(source / "xas" / name, folder / "xas" / name)


def log_written(lines):
    """Let the cycler's log grow to so many lines."""
    (log,) = source.glob("echem/*operando_C01.mpt")
    so_far = log.read_bytes().splitlines(keepends=True)[:lines]
    (folder / "echem" / log.name).write_bytes(b"".join(so_far))


# %% [markdown]
# ## 18:45, the first two scans
#
# The cycler writes its log, the beamline its scans. What is in the folder, and does anybody understand it?

# %%
log_written(200)
for number in (1, 2):
    arrive(number)
shell(f"operando inspect {folder}")

# %% [markdown]
# Yes: EC-Lab's log, and text in columns. `init` writes a recipe from what it found, with comments, and leaves open what no file can tell.

# %%
shell(f"operando init {folder}")
recipe = folder / "beamtime.toml"
print(recipe.read_text()[:1150])

# %% [markdown]
# Note what it says about the mass: the log's header claims seven *grams*. A header that was left over from another cell is the most
# common wrong number in operando work, so it is asked for. We fill in the gaps as one does in an editor. Without a zone, local times mean
# nothing; without the reference electrode, a threshold in volts against Li⁺/Li means nothing. And a scan is an interval: the header
# also says when its middle was, which is worth several millivolts on a charging cell.

# %%
text = recipe.read_text()
for gap, filled in {
    'timezone = ""': 'timezone = "Europe/Zurich"',
    "# active_mass = 7.0 ": "active_mass = 7.0 ",
    "# reference_capacity = 1.4 ": "reference_capacity = 1.4 ",
    "# soc0 = 0.0 ": "soc0 = -0.012 ",
    '# reference_electrode = "Li+/Li"': 'reference_electrode = "In/InLi"',
    "# potential_offset = 0.0 ": "potential_offset = 0.62 ",
    "offset = 0.0  ": "offset = 37.4 ",
    '{ start = "Time at start" }': '{ start = "Time at start", middle = "Time from start (seconds)" }',
    'signal = "tey"': 'signal = "tey"\ne0 = 854.0\npre1 = -16.0\npre2 = -6.0\nnorm1 = 27.0\nnorm2 = 38.0\nnnorm = 0',
}.items():
    assert gap in text, gap
    text = text.replace(gap, filled)
recipe.write_text(text)
assert shell(f"operando check {folder}") == 0

# %% [markdown]
# `check` holds the recipe against all files and reports every problem at once, before anything is computed.
#
# ## 19:00, watch
#
# `operando watch` now follows the folder until Ctrl-C. You go and eat something. Here it runs beside us, the log grows, and two scans
# arrive every second in place of one every 47 minutes. We look into the store meanwhile, as a colleague at home might.

# %%
watcher = subprocess.Popen(
    ["operando", "watch", str(folder), "--settle", "0.3", "--report-every", "600"], stdout=subprocess.DEVNULL
)
store = folder / "monday.zarr"


def stored():
    """Return how many scans the store has by now."""
    return operando.timeline(operando.open(store)).sizes["scan"] if (store / "zarr.json").exists() else 0


def wait_for(scans, most=150.0):
    """Wait until so many scans are in the store."""
    started = time.monotonic()
    while stored() < scans:
        assert watcher.poll() is None, "the watch ended by itself"
        assert time.monotonic() - started < most, f"{stored()} of {scans} scans after {most} s"
        time.sleep(0.3)
    return time.monotonic() - started


wait_for(2)
log_written(907)
for number in range(3, 15):
    arrive(number)
    time.sleep(0.4)
print(f"the last of 14 scans was in the store {wait_for(14):.1f} s after it had arrived")

# %% [markdown]
# The store is a normal one at any moment, never half written.
#
# ## 05:00, good night
#
# Ctrl-C ends the watch; it writes the report on its way out. Tomorrow the same line goes on where it stopped, also if someone has
# pulled the plug: a kill at any moment loses nothing.

# %%
watcher.send_signal(signal.SIGINT)
assert watcher.wait(timeout=150) in (0, 3)
report = folder / "report.html"
print(f"{report}: {report.stat().st_size / 1e6:.1f} MB, one file, opens without a network")

# %% [markdown]
# Among the scans was one in which I0 dropped out. It did not stop anything: it is there, with its reason.

# %%
scans = operando.open(store)["xas/Ni_L3/processed"].to_dataset().load()
meanings = dict(zip(scans["flag"].attrs["flag_meanings"].split(), scans["flag"].attrs["flag_masks"], strict=True))
for scan in np.flatnonzero(scans["flag"].values):
    reasons = [name for name, mask in meanings.items() if int(scans["flag"][scan]) & mask]
    print(f"{scans['source'].values[scan]}: {', '.join(reasons)}")
assert np.flatnonzero(scans["flag"].values).tolist() == [11]

# %% [markdown]
# ## The figure
#
# What you send home before going to bed. Above, where the cell is; below, the edge energy of every scan so far against the potential
# of the cell. The full store of the demo, made of all files at once, holds the same numbers, so the watch lost and invented nothing.

# %%
whole = operando.open("operando-demo/beamtime/cell7.zarr")["xas/Ni_L3/processed"].to_dataset().isel(scan=slice(0, 14))
np.testing.assert_allclose(scans["edge_energy"], whole["edge_energy"].sel(signal="tey"), atol=1e-6)
np.testing.assert_allclose(scans["potential"], whole["potential"], atol=2e-3)

tree = operando.open(store)
figure, (above, below) = plt.subplots(
    2, 1, height_ratios=[1, 1.5], figsize=operando.paper_size("column", 100.0), layout="constrained"
)
operando.plot.timeline(tree, above)
xas.plot.edge_energy(scans, below)
plt.show()
