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
# # The linked experiment: one clock, one table
#
# Four instruments watched one cell: soft X-ray absorption, photoemission, an X-ray microscope and tomography, and beside them the
# potentiostat, on a computer with a clock of its own. This notebook asks what you ask after a beamtime: *what was the cell doing when
# this scan was measured?* and *do two techniques tell the same story?*
#
# It needs the simulated cell: `operando demo` puts it into `operando-demo`.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import operando
from operando import tomo, xas, xps

plt.rcParams.update(operando.paper_style())
tree = operando.open("operando-demo/beamtime/cell7.zarr")
truth = xr.open_datatree("operando-demo/beamtime/truth.zarr", engine="zarr")
zone = tree.attrs["timezone"]

# %% [markdown]
# ## Whose clock?
#
# The beamline's clock was half a minute ahead of the cycler's and ran 2 s a day too fast. Nobody noted that. But the beamline recorded a
# copy of the cell's voltage, and the two curves can be laid on each other. What came out is kept with its uncertainty:

# %%
clock = json.loads(tree["xas/Ni_L3/raw"].attrs["clock"])
(true,) = json.loads(truth.attrs["clocks"])
length = float((np.datetime64(truth.attrs["end"]) - np.datetime64(truth.attrs["start"])) / np.timedelta64(1, "s"))
for when, seconds in (("at the start", 0.0), ("at the end", length)):
    found, known = (one["offset"] + one["drift"] * seconds for one in (clock, true))
    print(f"{when}: the beamline's clock shows {found:.2f} ± {clock['sigma']:.2f} s too much, truly {known:.2f} s")
    assert abs(found - known) < 3.3 * clock["sigma"]

# %% [markdown]
# Clocks are *never* aligned on the chemistry. If an edge trails the charge by half an hour, that is a result and not a clock error.
#
# ## Every scan, in order
#
# `timeline` is the table that you used to keep in a spreadsheet: all scans of all techniques, in order of time, with the state of the
# cell. It reads coordinates only, no spectra; ten thousand scans take less than a second.

# %%
table = operando.timeline(tree)
table[["node", "index", "potential", "soc", "half_cycle"]].to_dataframe().head(8)

# %%
ax = operando.plot.timeline(tree)
plt.show()

# %% [markdown]
# A scan is an interval, so its potential is the mean over that interval, with the spread: `potential_std`. Scans whose times are
# wrong, or which lie in a gap of the log, say so in `flag`; nothing is interpolated across a gap.

# %%
nickel = operando.window(tree["xas/Ni_L3/processed"].to_dataset(), flags=-1).load()
known = truth["xas/Ni_L3"].to_dataset().load()
kept = np.isin(np.arange(known.sizes["scan"]), np.flatnonzero(tree["xas/Ni_L3/processed"]["flag"].values == 0))
steady = kept & ~known["reversals"].values.astype(bool)
error = nickel["potential"].values - known["potential"].values[kept]
assert np.abs(error[steady[kept]]).max() < 1e-3
counted = int((nickel["half_cycle"].values == known["half_cycle"].values[kept])[steady[kept]].sum())
print(
    f"half-cycles right: {counted} of {int(steady.sum())}; potential within {1e3 * np.abs(error[steady[kept]]).max():.1f} mV"
)
assert counted == steady.sum()

# %% [markdown]
# ## Ask for a state, not for a file name

# %%
first_discharge = operando.window(nickel, half_cycle=2, potential=(3.5, 4.0))
print(
    "scans of the first discharge between 3.5 and 4.0 V:",
    [source[-8:-4] for source in first_discharge["source"].values],
)

at_half = operando.at(tree["xas/Ni_L3/processed"].to_dataset(), soc=0.5, half_cycle=1, tolerance=0.06)
bulk = at_half["fraction"].sel(signal="tfy", reference="delithiated NCM")
print(f"half charged, the bulk is delithiated by {float(bulk):.3f}")
assert abs(float(bulk) - 0.5) < 0.05

# %% [markdown]
# ## Do two techniques agree?
#
# The electrons of absorption see a layer of reduced nickel; photoelectrons see oxidized sulfur. Did they grow together? The scans were
# not simultaneous. `join` puts one series on the scans of the other, by time, with the uncertainties of both and of the clock.

# %%
sulfur = operando.window(tree["xps/electrolyte/processed"].to_dataset(), flags=-1).load()
layer = operando.join(sulfur, nickel, "layer_thickness")
product = sulfur["fraction"].sel(peak="S 2p P-S-P") + sulfur["fraction"].sel(peak="S 2p S0")
both = np.isfinite(layer["layer_thickness"].values) & np.isfinite(product.values)
r = np.corrcoef(layer["layer_thickness"].values[both], product.values[both])[0, 1]
print(f"{both.sum()} pairs, r = {r:.3f}")
assert r > 0.97

# %% [markdown]
# They do. A correlation is no mechanism, though: both simply grow while the potential is above 2.3 V. The place where they part is the
# low-potential excursion at the end of the first discharge, where sulfur is reduced and nickel is not.
#
# Shares are not thicknesses, either. From the shares of a layer and of what it covers, the attenuation of the photoelectrons gives
# nanometers, and those can be compared with what truly grew.

# %%
areas = sulfur["area"].sel(peak=["S 2p P-S-P", "S 2p S0"]).sum("peak")
cover = xps.overlayer_thickness(
    areas, sulfur["area"].sel(peak="S 2p PS4 3-"), reference_ratio=1.2 * 3.1 / 3.2, attenuation_length=3.1
)
before = operando.window(sulfur, half_cycle=[0, 1]).sizes["scan"]
oxidized = truth["xps/S_2p"]["d_ox"].values[np.flatnonzero(tree["xps/electrolyte/processed"]["flag"].values == 0)]
found = cover["thickness"].values
print("oxidized layer in the first charge, nm: found", found[1:before].round(2), "true", oxidized[1:before].round(2))
assert (np.abs(found[1:before] / oxidized[1:before] - 1) < 0.15).all()

# %% [markdown]
# Within a few percent, because it was given the very attenuation lengths and densities that the simulation used. Nobody knows those to
# better than 10 %, and the thickness scales with them: `thickness_systematic` says so.
#
# ## The figure
#
# One axis of time, four techniques: this is the picture that a beamtime is for.

# %%
figure, axes = plt.subplots(
    4, 1, sharex=True, figsize=operando.paper_size("page", 165.0), layout="constrained", height_ratios=[1.7, 1, 1, 1]
)
operando.plot.timeline(tree, axes[0])
xas.plot.shares(nickel.sel(signal="tfy"), axes[1], against="time", zone=zone)
axes[1].set_ylabel("share in the bulk")
xps.plot.areas(sulfur.sel(peak=["S 2p Li2S", "S 2p P-S-P", "S 2p S0"]), axes[2], share=True, against="time", zone=zone)
axes[2].set_ylabel("share of S 2p")
tomo.plot.crack_evolution(tree["xtm/composite/processed"].to_dataset(), axes[3], zone=zone)
for ax, letter in zip(axes, "abcd", strict=True):
    ax.annotate(letter, (-0.085, 1.04), xycoords="axes fraction", weight="bold", fontsize=9)
    if ax is not axes[-1]:
        ax.set_xlabel("")
    for when in operando.onsets(tree, above=2.3)["time"].values:
        ax.axvline(when, color="#D55E00", lw=0.6, ls=":")
    for when in operando.onsets(tree, below=1.7)["time"].values:
        ax.axvline(when, color="#0072B2", lw=0.6, ls=":")
plt.show()
