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
# # The viewer: look before you measure
#
# Numbers about a volume that nobody has looked at are worth little. The viewer is a plugin of [napari](https://napari.org): volumes,
# labels, cracks, stacks of images and maps of a store as layers, with their units and their colors, and a table, a spectrum and a
# timeline beside them that know of each other. It opens a window, so it needs a screen, and:
#
# ```sh
# pip install "operando[viewer]"
# operando view operando-demo/beamtime/cell7.zarr                 # all of it
# operando view operando-demo/beamtime/cell7.zarr/xtm/composite   # one series
# ```
#
# In napari itself, *File, Open Folder...* does the same, also with folders of slices that no recipe has seen yet; *File, Open
# Sample, operando* has the simulated cell.
#
# This page works without a window. It shows what the viewer finds in a store, and the pictures that it makes.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display

import operando
from operando import tomo

plt.rcParams.update(operando.paper_style())
store = Path("operando-demo/beamtime/cell7.zarr")
tree = operando.open(store)

# %% [markdown]
# ## What can be a layer
#
# Everything that has the dims `y` and `x`: grey values and counts (which stay in their files, and are read slice by slice as you move),
# labels and masks, maps of edge energies and of shares. Nothing is loaded for this list.

# %%
for node in tree.leaves:
    for name, array in node.dataset.data_vars.items():
        if {"y", "x"} <= set(array.dims):
            size = " × ".join(f"{dim} {length}" for dim, length in array.sizes.items())
            print(f"{node.path}: {name} ({size}), {array.attrs.get('long_name', '')}")

# %% [markdown]
# With the plugin installed, `layers_of_store` gives what napari gets: data, settings and kind of each layer. That makes a script of a
# session: `viewer = napari.Viewer(); viewer.add_layer(napari.layers.Layer.create(*layer))`.

# %%
try:
    from operando.viewer.stores import layers_of_store
except ImportError as missing:
    print(f'{missing}; pip install "operando[viewer]"')
else:
    for data, settings, kind in layers_of_store(store):
        shape = data[0].shape if isinstance(data, list) else data.shape
        print(f"{kind:8s} {settings['name']:45s} {shape}")

# %% [markdown]
# ## How it looks

# %%
pictures = sorted(Path("../../docs/pictures").glob("viewer*.png"))
for picture in pictures:
    display(Image(picture, width=760))
print(f"{len(pictures)} pictures; more of them with 'operando view'")

# %% [markdown]
# ## Spectra, scan by scan
#
# The widget *Spectrum* also shows series that have no images: the scan that was measured nearest to what the viewer shows, in both yields,
# normalized and fitted anew with every range that you set. Behind it is a function that needs no window. With the ranges of the recipe it
# gives what the run has stored; with others it gives what a run with these would store, and the steps to write into the recipe.

# %%
try:
    from operando.viewer.absorption_series import absorption_series
    from operando.viewer.spectrum_steps import steps_of_spectra
except ImportError as missing:
    print(f'{missing}; pip install "operando[viewer]"')
else:
    (series,) = absorption_series(store)
    stored = tree["xas/Ni_L3/processed"]["fraction"].isel(scan=15).load()
    assert np.allclose(series.spectra(15, {})["fraction"], stored)
    other = series.spectra(15, {"norm1": 24.0})
    for signal in other["signal"].values:
        shares = [f"{float(one):.3f}" for one in other["fraction"].sel(signal=signal)]
        print(f"{signal}: {', '.join(map(str, other['reference'].values))} = {', '.join(shares)}")
    print("".join(step.toml() for step in steps_of_spectra(series.settings, series.asked({"norm1": 24.0}), fit=True)))

# %% [markdown]
# ## Measure what you see
#
# What is a layer there is a DataArray here, with the same numbers and the same colors. Click on a crack in the viewer, and its row in the
# table is marked; here the row is found by its number. Which object is the largest crack of the last volume, and is it the one in the
# picture?

# %%
volumes = tree["xtm/composite/processed"].to_dataset()
objects = tree["xtm/composite/objects"].to_dataset().load()
last = objects.isel(object=np.flatnonzero(objects["scan"].values == volumes.sizes["scan"] - 1))
largest = last.isel(object=int(last["volume"].argmax("object")))
labels = volumes["label"].isel(scan=-1).load()
counted = int((labels == int(largest["number"])).sum())
print(f"object {int(largest['number'])}: {counted} voxels, mean aperture {float(largest['aperture_mean']):.2f} µm")
assert counted == int(largest["voxels"])

# %% [markdown]
# ## The figure
#
# Three cuts through its middle, as the viewer's three orders of the axes show them. The crack lies flat: cuts across it show a line, and
# a cut parallel to it, a few micrometers higher, would show nothing at all.

# %%
grey = tomo.read("operando-demo/beamtime/xtm/step_005", reader="tiff", timezone="Europe/Zurich", log="steps.txt")[
    "grey"
]
crack = (labels == int(largest["number"])).drop_attrs().rename("crack_mask")
figure, axes = plt.subplots(1, 3, figsize=operando.paper_size("page", 66.0), layout="constrained")
for ax, dim in zip(axes, "zyx", strict=True):
    middle = float(crack[dim].where(crack.any([other for other in "zyx" if other != dim])).mean())
    tomo.plot.labelled_slice(grey, crack, ax, along=dim, at=middle, limits=(7000, 45000))
    ax.set_title(f"{dim} = {middle:.1f} µm", fontsize=8, y=-0.12)
plt.show()
