"""Tell phases apart by how a voxel and its surroundings look, learned from a few labelled voxels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .blocks import EDGE
from .classifier_quality import out_of_bag_reliability, out_of_bag_score
from .features import Features
from .forest import Forest
from .forest_evaluation import most_probable, shares
from .forest_training import Trained, sample, train
from .layout import PLACES
from .results import described
from .scribbles import labelled, named
from .tiles import over_tiles
from .voxels import as_volume, voxel

MOST_TREES = 10_000
"""Largest number of trees that is taken."""

_STEP = "PixelClassifier"
_ALIKE = 0.01


@dataclass(frozen=True, eq=False)
class PixelClassifier:
    """A random forest on features of voxels at several scales.

    Parameters
    ----------
    features
        What is computed of every voxel.
    trees
        Number of trees.
    leaf
        Smallest number of labelled voxels in a leaf: more give smoother probabilities.
    seed
        Of the random choices; the same seed, sample and version of scikit-learn give the same forest.
    classes
        Numbers and names, when fitted.
    edges, units
        Edges of the voxels (z, y, x) that it was fitted on, and their unit.
    trained
        The forest, when fitted.

    Raises
    ------
    OperandoError
        If a number is none that a forest can have.

    Notes
    -----
    Only :meth:`fit` and :meth:`fractions` need scikit-learn (the extra ``tomo``); what was fitted is applied by a
    kernel of our own, which gives the same numbers in any version.

    References
    ----------
    Breiman, Mach. Learn. 45, 5 (2001), doi:10.1023/A:1010933404324
    """

    features: Features = field(default_factory=Features)
    trees: int = 100
    leaf: int = 5
    seed: int = 0
    classes: Mapping[int, str] = field(default_factory=dict)
    edges: tuple[float, float, float] = (1.0, 1.0, 1.0)
    units: str = "px"
    trained: Trained | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.trees <= MOST_TREES or self.leaf < 1 or not 0 <= self.seed < 2**32:
            raise OperandoError(
                f"{_STEP}: expected 1 to {MOST_TREES} trees, 1 voxel or more in a leaf and a seed from 0 to 2^32 - 1, "
                f"got {self.trees}, {self.leaf} and {self.seed}"
            )

    def fit(
        self,
        volume: xr.DataArray | NDArray[np.generic],
        scribbles: xr.DataArray | NDArray[Any],
        classes: Mapping[int, str] | None = None,
    ) -> PixelClassifier:
        """Return the classifier fitted to labelled voxels of a volume; this one stays as it is.

        Parameters
        ----------
        volume
            Grey levels, dims (z, y, x); of a lazy one only the surroundings of labelled voxels are read.
        scribbles
            Whole numbers of the volume's shape, 0 where nothing is labelled, 1 to 254 elsewhere; or a table (voxel, 4)
            of z, y, x in voxels and the class.
        classes
            Names of the classes, such as ``{1: "void", 2: "NCM"}``; by default ``phase_1`` ...

        Raises
        ------
        OperandoError
            If the volume is several, the scribbles do not fit it, a class has no name or no voxel, or scikit-learn is
            not installed.
        """
        grey = as_volume(volume, f"{_STEP}.fit")
        if grey.ndim != len(PLACES):
            extra = grey.dims[: -len(PLACES)]
            raise OperandoError(
                f"{_STEP}.fit: expected one volume, got the dims {extra} too; choose one, such as .isel({extra[0]}=0)"
            )
        marks = labelled(scribbles, grey)
        kinds = np.unique(marks.value)
        names = named(kinds, classes)
        edges = voxel(grey, f"{_STEP}.fit")
        given = sample(grey, marks, self.features, kinds)
        trained = train(given, trees=self.trees, leaf=self.leaf, seed=self.seed)
        return replace(self, classes=names, edges=edges.edges, units=edges.units, trained=trained)

    def predict(self, volume: xr.DataArray | NDArray[np.generic]) -> xr.DataArray:
        """Return the most probable class of every voxel.

        Parameters
        ----------
        volume
            Grey levels, dims (..., z, y, x), measured like the one fitted.

        Returns
        -------
        xarray.DataArray
            ``phase`` (uint8), the numbers of the classes; 0 where grey levels that are not finite lie within the
            reach of the features. Lazy where ``volume`` is; ``flag_values`` and ``flag_meanings`` name the classes.

        Raises
        ------
        OperandoError
            If nothing was fitted or the volume lacks a dim.
        """
        step = f"{_STEP}.predict"
        grey = self._checked(volume, step)
        found = self._classes(grey, [self._fitted(step).forest])
        return described(
            found,
            grey,
            name="phase",
            units="1",
            long_name="most probable phase",
            step=f"tomo.{step}",
            parameters=self._parameters(),
        ).assign_attrs(flag_values=[0, *self.classes], flag_meanings=" ".join(["unclassified", *self.classes.values()]))

    def predict_proba(self, volume: xr.DataArray | NDArray[np.generic]) -> xr.DataArray:
        """Return the probability of every class: the mean of what the trees say.

        Parameters
        ----------
        volume
            Grey levels, dims (..., z, y, x), measured like the one fitted.

        Returns
        -------
        xarray.DataArray
            ``probability`` (float32), dims (..., phase, z, y, x); NaN where :meth:`predict` gives 0.

        Raises
        ------
        OperandoError
            If nothing was fitted or the volume lacks a dim.

        Notes
        -----
        A mean of trees is less sure than it might be: in four simulated volumes of three phases, noisy and blurred,
        voxels that were given 0.5, 0.7 and 0.9 were of the phase in 0.51-0.69, 0.91-0.94 and 0.98-0.99 of the cases.
        :meth:`reliability` found 0.57-0.71, 0.89-0.98 and 0.99-1.00 from the scribbles alone.
        """
        step = f"{_STEP}.predict_proba"
        grey = self._checked(volume, step)
        forest = self._fitted(step).forest
        found = self._over(shares, grey, [forest], np.float32, len(self.classes)).rename(channel="phase")
        return described(
            found.assign_coords(phase=self._phase),
            grey,
            name="probability",
            units="1",
            long_name="probability of the phase",
            step=f"tomo.{step}",
            parameters=self._parameters(),
        )

    def fractions(self, volume: xr.DataArray | NDArray[np.generic], draws: int = 20) -> xr.Dataset:
        """Return the volume fraction of every class and its error by the choice of scribbles.

        Parameters
        ----------
        volume
            Grey levels, dims (..., z, y, x).
        draws
            How often the classifier is fitted anew to strokes drawn with replacement within each class (to voxels,
            where a class has one stroke: the error is then too small). 0: no error.

        Returns
        -------
        xarray.Dataset
            ``fraction`` and ``fraction_std``, dims (..., phase), of the voxels that have a class.

        Raises
        ------
        OperandoError
            If nothing was fitted, ``draws`` is 1 or negative, or scikit-learn is not installed.

        Notes
        -----
        The error says nothing of what all scribbles share. A rare phase comes out too large, because all classes weigh
        alike in the fit: in the simulated composite, voids of 2.1 and 5.0 % that differ from the electrolyte by four
        times the noise came out as 3.2-7.1 and 5.0-7.3 % after 25 strokes a phase, 4.8-7.0 and 5.2-14 % after 8.
        """
        step = f"{_STEP}.fractions"
        if draws < 0 or draws == 1:
            raise OperandoError(f"{step}: expected 2 draws or more, or 0, got {draws}")
        grey = self._checked(volume, step)
        trained = self._fitted(step)
        forests = [trained.forest, *self._redrawn(trained, draws)]
        blocks = grey if grey.chunks is not None else grey.chunk(dict.fromkeys(PLACES, EDGE))
        numbers = self._classes(blocks, forests, len(forests))
        counts = xr.concat([(numbers == one).sum(PLACES, dtype=np.int64) for one in self.classes], "phase").compute()
        fraction = (counts / counts.sum("phase")).transpose(..., "channel", "phase").assign_coords(phase=self._phase)
        found = fraction.isel(channel=0).to_dataset(name="fraction")
        found["fraction"].attrs = {"units": "1", "long_name": "volume fraction of the phase"}
        if draws:
            found["fraction_std"] = fraction.isel(channel=slice(1, None)).std("channel", ddof=1)
            found["fraction_std"].attrs = {"units": "1", "long_name": "error of the fraction by the scribbles"}
        before = xr.Dataset(attrs=grey.attrs)
        return recorded(found, f"tomo.{step}", self._parameters() | {"draws": draws}, after=before)

    @property
    def score(self) -> float:
        """Share of labelled voxels that trees which had not seen them get right, mean of the classes.

        Voxels of a stroke are alike, so that this is an upper bound of what holds elsewhere in the volume.
        """
        trained = self._fitted(f"{_STEP}.score")
        return out_of_bag_score(trained.out_of_bag, trained.sample.kind)

    @property
    def importances(self) -> xr.DataArray:
        """How much each feature decides: its share of the decrease of impurity, dims (feature)."""
        trained = self._fitted(f"{_STEP}.importances")
        return xr.DataArray(
            trained.importance,
            dims="feature",
            coords={"feature": np.array(self.features.names, dtype=object)},
            name="importance",
            attrs={"units": "1", "long_name": "share of the decrease of impurity"},
        )

    def reliability(self, bins: int = 10) -> xr.Dataset:
        """Return how often voxels are of the class that the trees which had not seen them give a probability.

        Parameters
        ----------
        bins
            Number of ranges of probability.

        Returns
        -------
        xarray.Dataset
            Dims (range): ``predicted``, ``observed`` with ``observed_std`` (binomial, as if voxels were independent)
            and ``count`` of voxels and classes; ``predicted`` is NaN where there are none. Classes weigh as many
            voxels as each has.
        """
        trained = self._fitted(f"{_STEP}.reliability")
        found = out_of_bag_reliability(trained.out_of_bag, trained.sample.kind, bins)
        return recorded(found, f"tomo.{_STEP}.reliability", self._parameters() | {"bins": bins})

    def to_bytes(self) -> bytes:
        """Return the fitted classifier as the content of a file; see :mod:`operando.tomo.classifier_file`."""
        from .classifier_file import to_bytes

        self._fitted(f"{_STEP}.to_bytes")
        return to_bytes(self)

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "classifier") -> PixelClassifier:
        """Return the classifier that :meth:`to_bytes` gave; ``name`` stands for it in errors."""
        from .classifier_file import from_bytes

        return from_bytes(content, name)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PixelClassifier:
        """Return the classifier in a file that :func:`operando.pipelines.export.write_classifier` wrote.

        Raises
        ------
        FileError
            If it cannot be read or is no classifier, or a damaged one.
        """
        from .classifier_file import load

        return load(path)

    @property
    def _phase(self) -> xr.DataArray:
        names = np.array(list(self.classes.values()), dtype=object)
        return xr.DataArray(names, dims="phase", attrs={"long_name": "phase"})

    def _fitted(self, step: str) -> Trained:
        if self.trained is None:
            raise OperandoError(
                f"{step}: expected a fitted classifier, got one that is not; use what .fit(...) returns"
            )
        return self.trained

    def _checked(self, volume: xr.DataArray | NDArray[np.generic], step: str) -> xr.DataArray:
        """Return the volume; warn where its voxels are not those that the classifier knows."""
        self._fitted(step)
        grey = as_volume(volume, step)
        mine = voxel(grey, step)
        if mine.units != self.units or not np.allclose(mine.edges, self.edges, rtol=_ALIKE):
            warnings.warn(
                f"{step}: fitted on voxels of {_text(self.edges, self.units)}, applied to "
                f"{_text(mine.edges, mine.units)}; its scales are in voxels",
                OperandoWarning,
                stacklevel=3,
            )
        return grey

    def _parameters(self) -> dict[str, Any]:
        names = {"scales": self.features.scales, "families": self.features.families, "classes": dict(self.classes)}
        return names | {"trees": self.trees, "leaf": self.leaf, "seed": self.seed}

    def _redrawn(self, trained: Trained, draws: int) -> list[Forest]:
        """Return forests fitted to strokes drawn anew."""
        found = []
        for number in range(draws):
            again = trained.sample.resampled(np.random.default_rng([self.seed, number]))
            found.append(train(again, trees=self.trees, leaf=self.leaf, seed=self.seed).forest)
        return found

    def _over(
        self, kernel: Any, grey: xr.DataArray, forests: list[Forest], dtype: Any, channels: int = 0, **settings: Any
    ) -> xr.DataArray:
        from dask.delayed import delayed

        sent = delayed(forests, pure=True, traverse=False)
        where: dict[str, Any] = {"margin": self.features.margin, "dtype": dtype, "channels": channels}
        return over_tiles(kernel, grey, **where, features=self.features, forests=sent, **settings)

    def _classes(self, grey: xr.DataArray, forests: list[Forest], channels: int = 0) -> xr.DataArray:
        values = np.array(list(self.classes), np.uint8)
        return self._over(most_probable, grey, forests, np.uint8, channels, values=values)


def _text(edges: tuple[float, float, float], units: str) -> str:
    return " x ".join(f"{edge:g}" for edge in edges) + f" {units}"
