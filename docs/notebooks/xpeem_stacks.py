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
# # XPEEM stacks: does every particle take part?
#
# A spectrum of an electrode is a mean over thousands of particles. A photoemission electron microscope sees them one by one: an image at
# every photon energy, so that every pixel has a spectrum. Between the images the sample drifts by more than a particle, the contrast
# inverts at the edge, and a frame is lost here and there. The question of this notebook: do all particles of NCM811 charge alike?
#
# It needs the simulated cell, which `operando demo` puts into `operando-demo`.

# %%
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import operando
from operando import flags, xas
from operando.xas import xpeem

plt.rcParams.update(operando.paper_style())
tree = operando.open("operando-demo/beamtime/cell7.zarr")
truth = xr.open_datatree("operando-demo/beamtime/truth.zarr", engine="zarr")["xpeem/Ni_L3"].to_dataset().load()
stored = tree["xpeem/Ni_L3/processed"].to_dataset().load()

# %% [markdown]
# ## Frames
#
# The store keeps what was made of the stacks, not the images: they stay in their files, and open again from there, one at a time. A frame
# is corrected by an image without light, one of an even illumination, and I0. The gain (counts per electron) makes the noise of each
# pixel known, and from here on it is carried along; so is that of I0, which moves all pixels of a frame together.

# %%
raw = xpeem.reopen(tree["xpeem/Ni_L3/raw"].to_dataset(), "operando-demo/beamtime")
frames = xpeem.correct(raw, gain=1.0, i0_noise=0.002)
for scan in range(frames.sizes["scan"]):
    odd = {
        float(energy): flags.names(int(flag))
        for energy, flag in zip(frames["energy"].values, frames["frame_flag"].isel(scan=scan).values, strict=True)
        if flag
    }
    print(f"stack {scan} at {float(frames['potential'][scan]):.2f} V: frames in doubt at", odd)

# %% [markdown]
# Neither of them is used below. One saturated and one missing frame is no reason to throw a stack away.
#
# ## Drift
#
# Frames before and behind the edge do not look alike, so the first cannot simply be compared with the last. `drift` compares each frame
# with its neighbors and with those that look alike, and solves for all displacements together, with the stacks on one origin. Simulated
# drift is known: the errors can be held against it.

# %%
drift = xpeem.drift(frames, between=True)
sure = (drift["frame_flag"].values == 0) & (drift["drift_y_std"].values > 0)
pulls = []
for axis in ("y", "x"):
    moved = truth[f"drift_{axis}"].values - truth[f"drift_{axis}"].values[0, 0]
    error = drift[f"drift_{axis}"].values - moved
    pulls.append(error[sure] / drift[f"drift_{axis}_std"].values[sure])
    print(f"{axis}: drift of up to {np.abs(moved).max():.1f} px, found to {error[sure].std():.3f} px")
pulls = np.concatenate(pulls)
print(f"{pulls.size} displacements: pulls with a mean of {pulls.mean():.2f} and a spread of {pulls.std():.2f}")
assert abs(pulls.mean()) < 0.5
assert 0.75 < pulls.std() < 1.35

# %% [markdown]
# ## Particles
#
# The aligned frames show where nickel is: where the yield rises at the edge. Each piece that rises is a region, and a pixel is taken off
# around it, where its light mixes with that of the surroundings. Only pixels that every frame shows count.

# %%
aligned = xpeem.align(frames, drift)
energy = aligned["energy"].values
behind, before = (aligned["intensity"].isel(scan=0, energy=chosen) for chosen in (energy > 860, energy < 851))
rise = behind.mean("energy", skipna=False) - before.mean("energy", skipna=False)
particles = xpeem.regions(rise.compute().reset_coords(drop=True), smallest=20)
spectra = xpeem.spectra(aligned, particles["region_label"]).compute()
spectra = spectra.isel(region=np.flatnonzero((spectra["pixels"] >= 10).all("scan").values))
print(f"{spectra.sizes['region']} particles of {int(spectra['pixels'].min())} to {int(spectra['pixels'].max())} px")

# %%
one = spectra.isel(scan=0).assign(region_label=particles["region_label"])
one = one.assign(image=aligned["intensity"].isel(scan=0).mean("energy").compute())
figure, axes = plt.subplots(1, 2, figsize=operando.paper_size("page", 70.0), layout="constrained")
xpeem.plot.pixel_map(one, "image", axes[0])
xpeem.plot.region_spectra(one, axes[1], variable="mu")
plt.show()

# %% [markdown]
# ## How far is each particle charged?
#
# A region's spectrum is a spectrum: `normalize` and `edge_energy` take all of them at once. The frames are 0.5 to 2 eV apart, too far for
# the scatter around a smooth curve to tell the noise, so it is handed on from the pixels. What all particles of a frame share, the noise of
# I0, counts where stacks are compared (`shared`); where particles of one stack are, it cancels, as far as their backgrounds are as many
# of their edge steps.
#
# The simulation knows the spectrum of every particle. Without the frames that were lost, and normalized by the same ranges (an edge at half
# height depends on them), it has the edge that should have been found.

# %%
ranges = {"e0": 854.0, "pre1": -10.0, "pre2": -4.0, "norm1": 7.0, "norm2": 11.0, "nnorm": 0}
normalized = xas.normalize(spectra["mu"], **ranges)
edge, within = (
    xas.edge_energy(normalized, noise=xpeem.counting_noise(spectra, shared=shared) / normalized["edge_step"])
    for shared in (True, False)
)

places = [
    np.rint(particles[name].sel(region=spectra["region"]).values).astype(int) for name in ("region_y", "region_x")
]
number = truth["label"].values[tuple(places)]
exact = truth["spectrum"].sel(particle=number).swap_dims(frame="energy", particle="region").drop_vars("particle")
exact = exact.transpose("scan", "region", "energy").where(spectra["mu"].notnull().values)
true_edge = xas.edge_energy(xas.normalize(exact, **ranges))["edge_energy"]
error = edge["edge_energy"].values - true_edge.values
bars = [1e3 * float(one["edge_energy_std"].median()) for one in (edge, within)]
print(f"error bars of {bars[0]:.1f} meV, {bars[1]:.1f} meV within a stack; errors are, stack by stack:")
for own in error:
    print(f"  {1e3 * own.mean():5.1f} meV for all particles alike, {1e3 * own.std():.1f} meV from one to the next")
apart = error - error.mean(axis=1, keepdims=True)
pulls = apart / within["edge_energy_std"].values
print(f"pulls of the latter have a spread of {pulls.std():.2f}")
assert 0.7 < pulls.std() < 1.3
common_std = np.sqrt(np.median((edge["edge_energy_std"] ** 2 - within["edge_energy_std"] ** 2).values, axis=1))
assert (np.abs(error.mean(axis=1)) < 4 * common_std).all()

# %% [markdown]
# ## Those that do not take part
#
# Between the two stacks the cell was charged. Every particle that is connected to both kinds of conductors must have moved.

# %%
moved = edge["edge_energy"].diff("scan").squeeze("scan")
moved_std = np.sqrt((edge["edge_energy_std"] ** 2).sum("scan"))
still = np.abs(moved) < 5 * moved_std
low, high = edge["potential"].values
print(f"from {low:.2f} to {high:.2f} V the edge moves by {float(moved.where(~still).median()):.2f} eV; not in")
for region in spectra["region"].values[still.values]:
    print(f"  region {region}: {float(moved.sel(region=region)):.3f} ± {float(moved_std.sel(region=region)):.3f} eV")
assert set(number[still.values]) == set(truth["particle"].values[truth["active"].values == 0]) & set(number)
assert still.any()

# %% [markdown]
# Two particles are as they were: they have lost contact. In the mean spectrum of the electrode they are a few percent that look like a
# cell that is not fully charged.
#
# ## The figure
#
# The edge of every pixel at the higher potential; pixels outside of the particles are noise and stay white. The particles that do not take
# part are dark.

# %%
maps = xpeem.maps(aligned.isel(scan=1), e0=ranges["e0"], normalization={k: v for k, v in ranges.items() if k != "e0"})
whole = maps.compute().assign(region_label=particles["region_label"]).assign_coords(region=spectra["region"])
figure, axes = plt.subplots(1, 2, figsize=operando.paper_size("page", 72.0), layout="constrained")
xpeem.plot.pixel_map(whole, "edge_energy", axes[0])
xpeem.plot.region_trends(edge.assign_coords(region=spectra["region"]), "edge_energy", axes[1])
plt.show()
