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
# # XAS depth: surface and bulk in one scan
#
# A soft X-ray scan of a cathode gives two spectra at once. The **total electron yield** (TEY) counts electrons, which only escape from
# a few nanometers: the surface. The **total fluorescence yield** (TFY) counts photons from a hundred times deeper: the bulk. If the two
# disagree, something covers the particles, and their difference says how thick it is.
#
# Here that something is reduced nickel on NCM811 in a sulfide composite. The cell is simulated, so after every claim we can look up
# whether it is true. Run `operando demo` once in the folder in which you work: it makes `operando-demo`, with the files of a whole
# beamtime and the store made of them.

# %%
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import operando
from operando import xas

plt.rcParams.update(operando.paper_style())
tree = operando.open("operando-demo/beamtime/cell7.zarr")
truth = xr.open_datatree("operando-demo/beamtime/truth.zarr", engine="zarr")
nickel = tree["xas/Ni_L3/processed"].to_dataset().load()
nickel

# %% [markdown]
# Sixty scans, two signals, three references. Every scan carries where the cell was when it was measured: potential, state of charge,
# half-cycle, each with an uncertainty. Scans with something wrong (a beam dump, a jump of the gain, a truncated file) are kept, with a
# flag that says why. We leave those out.

# %%
good = operando.window(nickel, flags=-1)
print(f"{good.sizes['scan']} of {nickel.sizes['scan']} scans have no flag")

# %% [markdown]
# ## One scan by hand
#
# What the store holds is no magic. These are the steps of the recipe, for one scan and the electron yield: divide by I0, take off the
# pre-edge, divide by the step, and fit the references, which were measured elsewhere and may be shifted in energy.

# %%
raw = tree["xas/Ni_L3/raw"].to_dataset().isel(scan=30).load()
references = tree["xas/Ni_L3/references"].to_dataset().load()

mu = xas.signal(raw, "tey")
normalized = xas.normalize(mu, e0=854.0, pre1=-16.0, pre2=-6.0, norm1=27.0, norm2=38.0, nnorm=0)
mixture = xas.lcf(normalized, references, scale=True, background="linear", bounds=(-0.5, 1.5), shift=(-0.5, 0.5))
for name, share, error in zip(*(mixture[key].values for key in ("reference", "fraction", "fraction_std")), strict=True):
    print(f"{name:16s} {share:6.3f} ± {error:.3f}")

stored = nickel["fraction"].isel(scan=30).sel(signal="tey")
np.testing.assert_allclose(mixture["fraction"], stored, atol=1e-6)

# %% [markdown]
# ## How deep is deep?
#
# "TFY sees 100 nm" is folklore. How deep it sees depends on composition, geometry and energy: above the edge less light gets in, and at
# every energy the fluorescence must get out again. The recipe computed the depths from tabulated cross sections, with one definition for
# both signals: 95 % of the signal comes from above this depth.

# %%
for signal in ("tey", "tfy"):
    values = good[f"{signal}_information_depth"]
    before, behind = (float(values.sel(energy=energy, method="nearest")) for energy in (845.0, 890.0))
    print(f"{signal}: {before:6.1f} nm before the edge, {behind:6.1f} nm behind it")

# %% [markdown]
# The electron yield is hardly touched by the light's attenuation: 95 % come from 3 escape depths of 5 nm. Remember for the paper that the
# *escape* depth (1/e) and the *information* depth (95 %) are two numbers, a factor of three apart. The tables know no white line, in
# which the sample is still more opaque; `probing_depth` has it from each scan's own spectrum, one number for what the scan's shares tell.

# %%
tey, tfy = (good["probing_depth"].sel(signal=name).median().item() for name in ("tey", "tfy"))
assert 2.5 * truth["xas/Ni_L3"]["Le"] < tey < 3 * truth["xas/Ni_L3"]["Le"]
assert tfy > 15 * tey

# %% [markdown]
# ## What the two signals see
#
# The share of delithiated NCM follows the state of charge, in both signals alike: that is the bulk. Reduced nickel is seen by the
# electrons alone, and more of it with every hour.

# %%
end = good.isel(scan=-1)["fraction"].sel(reference="reduced Ni")
start = good.isel(scan=0)["fraction"].sel(reference="reduced Ni")
for signal in ("tey", "tfy"):
    print(
        f"reduced Ni, {signal}: {float(start.sel(signal=signal)):.3f} at the start, {float(end.sel(signal=signal)):.3f} at the end"
    )

known = truth["xas/Ni_L3"].to_dataset().load().isel(scan=np.flatnonzero(nickel["flag"].values == 0))
pull = (good["fraction"].sel(signal="tey") - known["weight"]) / good["fraction_std"].sel(signal="tey")
print(f"shares seen by TEY against the truth: pulls with a spread of {float(pull.std()):.2f}")
assert 0.8 < float(pull.std()) < 1.25

# %% [markdown]
# ## From a share to a thickness
#
# A layer of reduced nickel of thickness $t$ on a bulk without any gives the electron yield the share $f = 1 - e^{-t/L}$, with the escape
# depth $L$. Turned around, $t = -L \ln(1 - f)$. `xas.depth_profile` does that with uncertainties, and keeps apart what noise does (`_std`)
# from what an escape depth that is off by 20 % would do (`_systematic`): the latter moves all points together.

# %%
layer = xas.depth_profile(
    good["fraction"].sel(signal="tey", reference="reduced Ni"),
    tey_std=good["fraction_std"].sel(signal="tey", reference="reduced Ni"),
    escape_depth=5.0,
    escape_depth_std=1.0,
    surface=1.0,
    bulk=0.0,
)
for scan in (0, -1):
    one = layer.isel(scan=scan)
    print(
        f"{float(one['layer_thickness']):.2f} ± {float(one['layer_thickness_std']):.2f} nm (noise) "
        f"± {float(one['layer_thickness_systematic']):.2f} nm (escape depth)"
    )

# %% [markdown]
# A third of a nanometer at the start, 1.2 nm after two cycles. Is it so? The simulation knows.

# %%
error = good["layer_thickness"] - known["layer"]
print(f"rms error of the layer: {float(np.sqrt((error**2).mean())):.3f} nm")
assert abs(float(error.isel(scan=0))) < 3 * float(good["layer_thickness_std"].isel(scan=0))
assert abs(float(error.isel(scan=-1))) < 3 * float(good["layer_thickness_std"].isel(scan=-1))
assert float(np.sqrt((error**2).mean())) < 0.05

# %% [markdown]
# ## The figure
#
# Left the electron yield of the first charge as a map against the potential: nickel is oxidized. Right the reduced nickel that each signal
# sees, and the layer that it makes. The thin line is the truth, which your own cell will not tell you.

# %%
figure = plt.figure(figsize=operando.paper_size("page", 92.0), layout="constrained")
left, right = figure.subfigures(1, 2, wspace=0.05)
charge = operando.window(good, half_cycle=1).sel(signal="tey", energy=slice(850, 880))
xas.plot.spectra_map(charge, left.subplots())
above, below = right.subplots(2, 1, sharex=True)
xas.plot.depth(good, (above, below), substance="reduced Ni", against="time", zone=tree.attrs["timezone"])
below.set_ylabel("surface layer (nm)")
below.plot(known["time"], known["layer"], color="black", lw=0.8, zorder=0)
for part, letter in zip((left, right), "ab", strict=True):
    part.text(0.01, 0.96, letter, weight="bold", fontsize=9)
plt.show()

# %% [markdown]
# To take along: `figure.savefig("depth.pdf")` keeps letters as letters; `operando export operando-demo/beamtime/cell7.zarr figures --format pdf`
# writes all standard figures at once. How a layer and the electrolyte look to photoelectrons is told in [the XPS series](xps_series.ipynb).
