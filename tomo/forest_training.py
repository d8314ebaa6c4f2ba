"""Train a forest on labelled voxels, with what its own left-out voxels say about it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .features import Features
from .forest import Forest, from_trees
from .scribbles import Labelled
from .tiles import TILE, window

_STEP = "PixelClassifier.fit"


@dataclass(frozen=True, eq=False)
class Sample:
    """Labelled voxels as a forest sees them: features (voxel, feature), class numbers from 0 and strokes (voxel)."""

    values: NDArray[np.float32]
    kind: NDArray[np.uint8]
    stroke: NDArray[np.int32]

    def resampled(self, draw: np.random.Generator) -> Sample:
        """Return a sample of strokes drawn with replacement within each class; of voxels where it has one stroke."""
        chosen = []
        for kind in np.unique(self.kind):
            members = np.flatnonzero(self.kind == kind)
            order = members[np.argsort(self.stroke[members], kind="stable")]
            groups = np.split(order, np.flatnonzero(np.diff(self.stroke[order])) + 1)
            if len(groups) > 1:
                chosen += [groups[at] for at in draw.integers(len(groups), size=len(groups))]
            else:
                chosen.append(draw.choice(members, size=len(members)))
        found = np.concatenate(chosen)
        return Sample(self.values[found], self.kind[found], self.stroke[found])


@dataclass(frozen=True, eq=False)
class Trained:
    """A forest and what it was trained on.

    ``out_of_bag`` (voxel, class) are the probabilities by the trees that had not seen a voxel, NaN where all had;
    ``importance`` (feature) is the mean decrease of impurity, summing to 1.
    """

    forest: Forest
    sample: Sample
    out_of_bag: NDArray[np.float32]
    importance: NDArray[np.float32]


def sample(volume: xr.DataArray, labelled: Labelled, features: Features, kinds: NDArray[np.uint8]) -> Sample:
    """Return the features of the labelled voxels; only the tiles that hold some are read.

    Raises
    ------
    OperandoError
        If a labelled voxel has features that are not finite.
    """
    values = np.empty((len(labelled.place), len(features.names)), np.float32)
    _, tile = np.unique(labelled.place // TILE, axis=0, return_inverse=True)
    for number in range(int(tile.max()) + 1):
        members = np.flatnonzero(tile.ravel() == number)
        places = labelled.place[members]
        low, high = places.min(axis=0), places.max(axis=0) + 1
        box = (slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
        stack = features.stack(window(volume.data, box, features.margin))
        values[members] = stack[(slice(None), *(places - low).T)].T
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise OperandoError(
            f"{_STEP}: expected finite grey levels around every labelled voxel, got others at "
            f"{tuple(labelled.place[np.argmax(bad)].tolist())} (z, y, x); label voxels farther from them than "
            f"{features.margin}"
        )
    return Sample(values, np.searchsorted(kinds, labelled.value).astype(np.uint8), labelled.stroke)


def train(given: Sample, *, trees: int, leaf: int, seed: int) -> Trained:
    """Return a forest trained on a sample; classes weigh alike, however many voxels each has.

    Raises
    ------
    OperandoError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError:
        raise OperandoError(
            f"{_STEP}: expected scikit-learn, got none; install it: pip install 'operando[tomo]'"
        ) from None
    forest = RandomForestClassifier(
        trees, min_samples_leaf=leaf, class_weight="balanced", oob_score=True, random_state=seed, n_jobs=-1
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some inputs do not have OOB scores", UserWarning)
        forest.fit(given.values, given.kind)
    left_out = np.asarray(forest.oob_decision_function_, dtype=np.float32)
    left_out[~(left_out.sum(axis=1) > 0)] = np.nan
    flat = from_trees([tree.tree_ for tree in forest.estimators_], given.values.shape[1])
    return Trained(flat, given, left_out, forest.feature_importances_.astype(np.float32))
