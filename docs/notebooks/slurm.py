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
# # Volumes on a cluster: `--cluster local`, `--cluster slurm`
#
# Spectra fit into a laptop. Fifty time steps of 28 GB do not. `operando run` can give the work on volumes and on stacks of images to
# workers: processes of this machine, jobs of SLURM, or a scheduler that is already running. The recipe stays the same, and so do the
# numbers, to the last bit. That is the claim of this notebook, and it is checked at its end, on two small volumes of the simulated cell
# (`operando demo` makes `operando-demo`).

# %%
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import operando
from operando import tomo

plt.rcParams.update(operando.paper_style())
os.environ |= {"FORCE_COLOR": "", "COLUMNS": "100"}  # commands answer in plain text
folder = Path("volumes")
shutil.rmtree(folder, ignore_errors=True)
for step in (1, 5):
    shutil.copytree(f"operando-demo/beamtime/xtm/step_{step:03d}", folder / "xtm" / f"step_{step:03d}")
shutil.copy("operando-demo/beamtime/xtm/steps.txt", folder / "xtm" / "steps.txt")

# %% [markdown]
# ## The recipe
#
# The last table says what workers may use. It holds nothing that the data depend on, so it may differ from machine to machine.

# %%
RECIPE = """\
[experiment]
name = "two volumes"
timezone = "Europe/Zurich"
store = "{store}.zarr"
report = "{store}.html"

[[series]]
node = "composite"
technique = "xtm"
files = ["xtm/step_*/"]
reader = "tiff"
read = {{ log = {{ file = "steps.txt", folder = "folder" }} }}

  [[series.steps]]
  use = "segment"
  names = ["void", "electrolyte", "ncm"]
  levels = [9000, 13283, 44714]

  [[series.steps]]
  use = "fractions"

  [[series.steps]]
  use = "tortuosity"
  of = "electrolyte"
  dims = ["z"]

[cluster]
workers = 2
memory = "2 GiB"                      # of each worker; one that needs more is started anew
"""
for name in ("here", "cluster"):
    (folder / f"{name}.toml").write_text(RECIPE.format(store=name))


def shell(line):
    """Type a line into a terminal, and show what it answers."""
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    print(f"$ {line}\n{done.stdout}{done.stderr}")
    return done.returncode


# %% [markdown]
# ## Here, and on workers
#
# First in this process, by threads; then by two worker processes with limited memory. `--profile` writes a page on which worker did what
# when, with memory and waiting times: the thing to look at before asking a cluster's administrators for more.

# %%
assert shell(f"operando run {folder}/here.toml") == 0

# %%
assert shell(f"operando run {folder}/cluster.toml --cluster local --profile {folder}/profile.html") == 0
assert (folder / "profile.html").stat().st_size > 10_000

# %% [markdown]
# ## On SLURM
#
# The same line with another word, after `pip install "operando[slurm]"`, on the login node or in a small job of its own:
#
# ```sh
# operando run beamtime.toml --cluster slurm
# ```
#
# ```toml
# [cluster]
# workers = 8               # most_workers = 64 lets them grow while much is to be done
# cores = 4
# memory = "64 GiB"
# walltime = "04:00:00"     # of a job
# lifetime = "3.5 hours"    # each worker ends by itself before its job does, and another is sent
# queue = "day"
# account = "p12345"
# interface = "ib0"         # the network by which workers reach the scheduler
# logs = "slurm_logs"
# directives = ["--constraint=fast"]
# ```
#
# Each worker is a job. Jobs that are killed cost their task, not the run; a task that kills three workers is listed with its scan, and the
# others go on. If the run itself dies, the same line resumes. What else is promised, and what not, is in
# [reliability](../reliability.md).
#
# ## The same numbers
#
# Not nearly the same: the same bits.

# %%
here, there = (
    operando.open(folder / f"{name}.zarr")["xtm/composite/processed"].to_dataset().load()
    for name in ("here", "cluster")
)
compared = 0
for name in here.data_vars:
    if here[name].dtype.kind in "fiub":
        np.testing.assert_array_equal(here[name], there[name], err_msg=name)
        compared += here[name].size
print(f"{compared} numbers in {len(here.data_vars)} variables are equal to the last bit")
assert compared > 500_000

# %% [markdown]
# ## The figure

# %%
figure, axes = plt.subplots(1, 3, figsize=operando.paper_size("page", 66.0), layout="constrained")
for ax, scan, step in zip(axes[:2], (0, 1), (1, 5), strict=True):
    grey = tomo.read(
        f"operando-demo/beamtime/xtm/step_{step:03d}", reader="tiff", timezone="Europe/Zurich", log="steps.txt"
    )["grey"]
    tomo.plot.labelled_slice(
        grey, there["phase_label"].isel(scan=scan), ax, along="y", at=15.0, hide=("electrolyte",), limits=(7000, 45000)
    )
tomo.plot.tortuosity(there, axes[2], zone="Europe/Zurich")
plt.show()
