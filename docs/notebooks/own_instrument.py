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
# # Your own instrument in 20 lines
#
# Your spectrometer writes files that nobody else's does. Two ways lead in, and neither touches the code that works on the data:
#
# 1. **a table in the recipe**, if the file is text in columns of any kind: no programming;
# 2. **a reader of 20 lines**, if it is not.
#
# The instrument of this notebook is made up; its numbers are those of the simulated cell (`operando demo` makes `operando-demo`).

# %%
import os
import shlex
import shutil
import struct
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import operando
from operando import xas

plt.rcParams.update(operando.paper_style())
os.environ |= {"FORCE_COLOR": "", "COLUMNS": "100"}  # commands answer in plain text
demo = operando.open("operando-demo/beamtime/cell7.zarr")
folder = Path("own_instrument")
shutil.rmtree(folder, ignore_errors=True)
(folder / "scans").mkdir(parents=True)
shutil.copytree("operando-demo/beamtime/echem", folder / "echem")

# %% [markdown]
# ## The files
#
# German software of 1998: semicolons, decimal commas, picoamperes, a date that starts with the day. Twelve scans of the first charge.

# %%
raw = demo["xas/Ni_L3/raw"].to_dataset().isel(scan=slice(1, 13)).load()
for number in range(raw.sizes["scan"]):
    one = raw.isel(scan=number)
    begin = datetime.fromisoformat(str(one["recorded_start"].values)[:26]) + timedelta(
        hours=2
    )  # as its clock showed it
    rows = [
        f"{energy:.2f};{1e3 * drain:.6f};{mesh:.6f}".replace(".", ",")
        for energy, drain, mesh in zip(one["energy"].values, one["tey"].values, one["i0"].values, strict=True)
    ]
    header = (
        f"SPEKTRUM 3\nProbe: NCM 7\nBeginn: {begin:%d.%m.%Y %H:%M:%S}\nDauer (s): 318\nE/eV;Probenstrom/pA;Netz/nA\n"
    )
    (folder / "scans" / f"lauf{number:02d}.dat").write_text(header + "\n".join(rows) + "\n", encoding="latin-1")
print((folder / "scans" / "lauf00.dat").read_text(encoding="latin-1")[:170])

# %% [markdown]
# ## The recipe: which column is what
#
# These lines are all that is needed. `columns` maps our names to the labels in the file, `units` says in which unit they are, `time`
# which words stand before the start of the scan. The rest of the recipe is about the cell, not the instrument.

# %%
recipe = folder / "beamtime.toml"
recipe.write_text("""\
[experiment]
name = "our own spectrometer"
store = "own.zarr"
timezone = "Europe/Zurich"
[cell]
reference_electrode = "In/InLi"
potential_offset = 0.62              # V
[echem]
files = ["echem/*.mpt"]
clock = "cycler"
[clocks.spectrometer]
offset = 37.2                        # s that it shows too much
method = "manual"
sigma = 1.0
[[series]]
node = "Ni_L3"
technique = "xas"
files = ["scans/*.dat"]
reader = "columns"
clock = "spectrometer"
[series.read]
columns = { energy = "E/eV", tey = "Probenstrom/pA", i0 = "Netz/nA" }
units = { energy = "eV", tey = "pA", i0 = "nA" }
time = { start = "Beginn:", duration = "Dauer (s):", format = "%d.%m.%Y %H:%M:%S" }
[[series.steps]]
use = "normalize"
signal = "tey"
e0 = 854.0
pre1 = -16.0
pre2 = -6.0
norm1 = 27.0
norm2 = 38.0
nnorm = 0
[[series.steps]]
use = "edge_energy"
""")


def shell(line):
    """Type a line into a terminal, and show what it answers."""
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    print(f"$ {line}\n{done.stdout}{done.stderr}")
    return done.returncode


assert shell(f"operando run {folder}") == 0

# %% [markdown]
# Read, brought to one clock, linked to the log, normalized, with an edge energy and its error bar: everything that the toolkit does for
# any other instrument. Are the numbers right? They must be those of the demo, which read other files.

# %%
own = operando.open(folder / "own.zarr")["xas/Ni_L3/processed"].to_dataset().load()
theirs = demo["xas/Ni_L3/processed"].to_dataset().sel(signal="tey").isel(scan=slice(1, 13)).load()
difference = np.abs(own["edge_energy"].values - theirs["edge_energy"].values)[theirs["flag"].values == 0]
print(
    f"edge energies agree within {1e3 * difference.max():.3f} meV, potentials within",
    f"{1e3 * float(np.abs(own['potential'] - theirs['potential']).max()):.2f} mV",
)
assert difference.max() < 1e-3

# %% [markdown]
# A label that is not in the file would have been one line: which file, which label, and which labels there are. Try it; `operando check`
# finds it before anything is computed.

# %%
recipe.write_text(recipe.read_text().replace('Probenstrom/pA"', 'Probestrom/pA"'))
assert shell(f"operando check {folder}") == 2

# %% [markdown]
# ## When columns are not enough: a reader
#
# The successor of 2011 writes binary files: four letters, the start in seconds since 1970, the number of points, then triples of floats.
# A reader is a function from a path to a Dataset, and a `Format` that recognizes the file by its beginning. Here are its 20 lines.

# %%
from operando.errors import FileError
from operando.reading import read_as
from operando.sniff import Format

MAGIC = b"SPK4"


def read_spektrum(path, *, timezone=None):
    """Return the scan in a file of SPEKTRUM 4."""
    data = Path(path).read_bytes()
    start, points = struct.unpack_from("<dI", data, 4)
    if len(data) != 16 + 12 * points:
        raise FileError(path, f"{16 + 12 * points} bytes", str(len(data)), remedy="copy it again: its end was lost")
    energy, drain, mesh = np.frombuffer(data, "<f4", offset=16).reshape(points, 3).T.astype(float)
    ds = xr.Dataset(
        {"tey": ("energy", drain, {"units": "nA"}), "i0": ("energy", mesh, {"units": "nA"})},
        {"energy": ("energy", energy, {"units": "eV"}), "time": np.datetime64(int(start * 1e9), "ns")},
    )
    return ds.sortby("energy")


SPEKTRUM = Format("spektrum", "xas", "SPEKTRUM 4, binary", lambda head: head.data.startswith(MAGIC), read_spektrum)

# %% [markdown]
# It reads, and a file that broke off is an error of one line and not a spectrum of nonsense:

# %%
one = raw.isel(scan=5)
triples = np.stack([one["energy"].values, one["tey"].values, one["i0"].values], axis=1).astype("<f4")
start = float(one["time_start"].values.astype("int64")) / 1e9
whole = MAGIC + struct.pack("<dI", start, len(triples)) + triples.tobytes()
(folder / "run5.spk").write_bytes(whole)
(folder / "broken.spk").write_bytes(whole[:-100])

spectrum = read_as((SPEKTRUM,), folder / "run5.spk", None, None, {})
np.testing.assert_allclose(spectrum["tey"] / spectrum["i0"], one["tey"] / one["i0"], rtol=1e-5)
try:
    read_as((SPEKTRUM,), folder / "broken.spk", None, None, {})
except operando.OperandoError as error:
    print(error)

# %% [markdown]
# To have it in recipes, put the function into a file in `xas/formats/` and `SPEKTRUM` into the tuple `FORMATS` of
# `xas/formats/__init__.py`: that is the one table of readers. There, use `operando.xas.formats.scan.scan` to build the Dataset; it checks
# the energies and raises the flags. `inspect`, `init`, `run` and `watch` then know the instrument, and the fuzzer attacks it.
#
# ## The figure
#
# The first charge, seen by an instrument that nobody has.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=operando.paper_size("page", 70.0), layout="constrained")
xas.plot.waterfall(own.sel(energy=slice(845, 885)), left, by="potential")
xas.plot.edge_energy(own, right)
plt.show()
