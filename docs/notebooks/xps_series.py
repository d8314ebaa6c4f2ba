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
# # XPS series: sulfur species, and at which potential they appear
#
# Li₃PS₄ is stable between about 1.7 and 2.3 V against Li⁺/Li. Above, it is oxidized to bridging and elemental sulfur; below, it is reduced
# to Li₂S and Li₃P. Photoelectrons see both, in the S 2p and P 2p lines. The question of this notebook: what grows, when does it begin,
# and at which potential was the cell then?
#
# It needs the simulated cell, which `operando demo` puts into `operando-demo`.

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import operando
from operando import xps

plt.rcParams.update(operando.paper_style())
tree = operando.open("operando-demo/beamtime/cell7.zarr")
truth = xr.open_datatree("operando-demo/beamtime/truth.zarr", engine="zarr")
zone = tree.attrs["timezone"]
fitted = tree["xps/electrolyte/processed"].to_dataset().load()
fitted["peak"].values

# %% [markdown]
# ## One spectrum by hand
#
# A model is lines, what ties them together, and a background. The splitting and the ratio of the S 2p doublet are physics, not parameters;
# all species share one width. The background is fitted together with the lines: subtracting a Shirley background first biases the areas
# by several percent, and the error bars then know nothing of it.

# %%
counts = tree["xps/electrolyte/raw"].to_dataset()["counts"].isel(scan=20).load()
sulfur = counts.isel(binding_energy=np.flatnonzero(counts["region"].values == "S 2p"))

width, mixing = xps.Link("PS4 3-.fwhm"), xps.Link("PS4 3-.mixing")
lines = [xps.Doublet("PS4 3-", 161.5, 1.1, level="S 2p", phase="electrolyte", mixing=0.3)]
lines += [
    xps.Doublet(name, position, width, level="S 2p", phase="electrolyte", mixing=mixing)
    for name, position in (("Li2S", 160.3), ("P-S-P", 163.0), ("S0", 164.0))
]
model = xps.Model(lines, xps.Background("shirley"), shifts={"electrolyte": xps.Free(0.0, -4.5, 4.5)})
one = xps.fit(sulfur, model, lines=True)
print(
    f"chi-square per degree of freedom {float(one['reduced_chi_square']):.2f}, {one.sizes['parameter']} free parameters"
)
for name, area, error in zip(one["peak"].values, one["area"].values, one["area_std"].values, strict=True):
    print(f"{name:8s} {area:8.0f} ± {error:.0f} count eV")
assert 0.75 < float(one["reduced_chi_square"]) < 1.25

# %%
figure, axes = plt.subplots(
    2, 1, sharex=True, height_ratios=[3, 1], figsize=operando.paper_size("column", 80.0), layout="constrained"
)
xps.plot.fit(one, tuple(axes))
plt.show()

# %% [markdown]
# Positions of the four species keep their distances and move together: that is one number, the shift of the *phase*. Charging moves all
# lines, the potential of the working electrode those of the electrolyte only. Which is which, the carbon of the electrode tells, in the
# same fit: it feels the charging alone.

# %%
shift = fitted["shift"].sel(phase="electrolyte") - fitted["shift"].sel(phase="electrode")
trend = tree["xps/electrolyte/shift_trend"].to_dataset().load()
slope, slope_error = (float(trend[name].squeeze()) for name in ("slope", "slope_std"))
print(f"the electrolyte's lines move by {slope:.3f} ± {slope_error:.3f} eV per volt")
assert abs(slope - float(truth["xps/S_2p"]["shift_per_potential"])) < 3.3 * slope_error

# %% [markdown]
# ## The whole series
#
# The recipe fitted C 1s, S 2p and P 2p of all 24 time points at once, each with its own error bars. Here are the shares of the sulfur
# species in time; nothing is hidden, flagged scans are hollow.

# %%
good = operando.window(fitted, flags=-1)
names = ["PS4 3-", "Li2S", "P-S-P", "S0"]
share = good["fraction"].sel(peak=[f"S 2p {name}" for name in names])
share_std = good["fraction_std"].sel(peak=share["peak"])
known = truth["xps/S_2p"].to_dataset().load().isel(scan=np.flatnonzero(fitted["flag"].values == 0))
pulls = (share.values - known["fraction"].sel(peak=names).values) / share_std.values
pulls = pulls[np.isfinite(pulls)]
print(
    f"{pulls.size} shares against the truth: pulls with a mean of {pulls.mean():.2f} and a spread of {pulls.std():.2f}"
)
assert abs(pulls.mean()) < 3.3 / np.sqrt(pulls.size)
assert 0.75 < pulls.std() < 1.25

# %% [markdown]
# Where a species is absent its area stands on the bound, 0, and has no error bar: half of the noise would be negative, and a fit that is
# not allowed to follow it has no symmetric error. Those points are left out of the pulls above. A series with all its shapes in common is
# the better tool near a detection limit: `xps.fit_global`.
#
# ## At which potential?
#
# The electrolyte's window is a statement about potentials, so ask the potential first. `onsets` finds when the cell crossed 2.3 V
# upwards and 1.7 V downwards, with a time that is known to a fraction of a second, the uncertainty of the clock included.

# %%
oxidation = operando.onsets(tree, above=2.3, name="oxidation")
reduction = operando.onsets(tree, below=1.7, name="reduction")
true_times = {
    reaction: [one["crossing"] for one in json.loads(truth.attrs["onsets"]) if one["reaction"] == reaction]
    for reaction in ("oxidation", "reduction")
}
start = np.datetime64(truth.attrs["start"])
for found in (oxidation, reduction):
    for at in range(found.sizes["onset"]):
        seconds = float((found["time"][at].values - start) / np.timedelta64(1, "s"))
        sigma = float(found["time_std"][at])
        true = true_times[str(found["name"][at].values)][at]
        print(f"{found['name'][at].values} {at + 1}: {seconds:10.2f} ± {sigma:.2f} s, true {true:10.2f} s")
        assert abs(seconds - true) < 3.3 * max(sigma, float(found["time_systematic"][at])) + 0.5

# %% [markdown]
# Then ask the spectra. A scan every two hours cannot time a reaction to the second, but it can bracket it: the last scan without the
# species, and the first with it. Both brackets contain the crossing. Li₂S does not appear *at* low potential in general; it appears after
# 1.7 V was crossed for the first time, and stays when the cell is charged again.


# %%
def bracket(species, crossing):
    """Return the last scan before a crossing and the first with more than five sigma of a species after it."""
    part = good["fraction"].sel(peak=species)
    error = good["fraction_std"].sel(peak=species)
    before = part.where(part["time"] < crossing, drop=True).isel(scan=-1)
    after = part.where((part["time"] > crossing) & (part > 5 * error), drop=True).isel(scan=0)
    return before, after


for species, found in (("S 2p P-S-P", oxidation), ("S 2p Li2S", reduction)):
    before, after = bracket(species, found["time"].values[0])
    print(
        f"{species}: {float(before):.3f} at {float(before['potential']):.2f} V, then {float(after):.3f}; "
        f"the crossing lies between {str(before['time'].values)[5:16]} and {str(after['time'].values)[5:16]} UTC"
    )
    assert float(before) < 0.01 < float(after)

# %% [markdown]
# ## The figure
#
# Above, the potential with the crossings; below, on the same axis, the products. P-S-P and S⁰ grow wherever the potential is above 2.3 V,
# on charge and on discharge; Li₂S comes in two steps, at the two excursions below 1.7 V. The second rests on one flagged scan (its file
# broke off after S 2p), and is drawn hollow.

# %%
figure, (above, below) = plt.subplots(
    2, 1, sharex=True, height_ratios=[1, 1.6], figsize=operando.paper_size("column", 100.0), layout="constrained"
)
operando.plot.timeline(tree.filter(lambda node: node.path.startswith(("/echem", "/xps")) or node.path == "/"), above)
above.get_legend().remove()
products = fitted.sel(peak=["S 2p Li2S", "S 2p P-S-P", "S 2p S0"])
xps.plot.areas(products, below, share=True, against="time", zone=zone)
below.set_ylabel("share of the S 2p area")
for found, color in ((oxidation, "#D55E00"), (reduction, "#0072B2")):
    for when in found["time"].values:
        for ax in (above, below):
            ax.axvline(when, color=color, lw=0.6, ls=":")
above.set_xlabel("")
plt.show()
