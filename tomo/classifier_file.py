"""The file of a fitted classifier: a line of JSON and plain arrays, checked to the last index before it is used.

The first line names format and version and gives the SHA-256 of what follows: a JSON object in the second line
(parameters, classes, how many trees, nodes and labelled voxels) and the arrays of ``_ARRAYS``, little-endian, no gaps.
Nothing in it is code, nothing is unpacked, and the file's length follows from its second line.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError, OperandoError

from .classifier import MOST_TREES, PixelClassifier
from .features import Features
from .forest import Forest
from .forest_training import Sample, Trained
from .scribbles import LARGEST_CLASS

MAGIC = b"operando pixel classifier 1 "
LONGEST_HEADER = 2**20

_LARGEST = 2**31
_ARRAYS = {
    "start": ("<u4", ("trees",)),
    "feature": ("<u2", ("nodes",)),
    "threshold": ("<f4", ("nodes",)),
    "child": ("<u4", ("nodes",)),
    "share": ("<f4", ("nodes", "classes")),
    "values": ("<f4", ("voxels", "features")),
    "kind": ("<u1", ("voxels",)),
    "stroke": ("<i4", ("voxels",)),
    "out_of_bag": ("<f4", ("voxels", "classes")),
    "importance": ("<f4", ("features",)),
}
_REMEDY = "copy the file again or fit the classifier anew"

Arrays = dict[str, NDArray[Any]]


def to_bytes(classifier: PixelClassifier) -> bytes:
    """Return a fitted classifier as the content of a file.

    Raises
    ------
    OperandoError
        If it is not fitted.
    """
    trained = classifier.trained
    if trained is None:
        raise OperandoError("PixelClassifier.to_bytes: expected a fitted classifier, got one that is not")
    forest, sample = trained.forest, trained.sample
    arrays: Arrays = {name: getattr(forest, name) for name in ("start", "feature", "threshold", "child", "share")}
    arrays |= {name: getattr(sample, name) for name in ("values", "kind", "stroke")}
    arrays |= {"out_of_bag": trained.out_of_bag, "importance": trained.importance}
    body = b"".join(np.ascontiguousarray(arrays[name], kind).tobytes() for name, (kind, _) in _ARRAYS.items())
    header = {
        "scales": classifier.features.scales,
        "families": classifier.features.families,
        "trees": classifier.trees,
        "leaf": classifier.leaf,
        "seed": classifier.seed,
        "classes": list(classifier.classes.items()),
        "edges": classifier.edges,
        "units": classifier.units,
        "nodes": len(forest.child),
        "voxels": len(sample.kind),
    }
    return signed(json.dumps(header, ensure_ascii=True).encode() + b"\n" + body)


def signed(rest: bytes) -> bytes:
    """Return what follows the first line with that line before it."""
    return MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


def load(path: str | PathLike[str]) -> PixelClassifier:
    """Return the classifier in a file.

    Raises
    ------
    FileError
        If it cannot be read, is no classifier or a damaged one.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(len(MAGIC))
            content = start + file.read() if start == MAGIC else start
    except OSError as error:
        raise FileError(path, "a readable file", error.strerror or str(error)) from None
    return from_bytes(content, str(path))


def from_bytes(content: bytes, name: str) -> PixelClassifier:
    """Return the classifier that a file holds; ``name`` stands for it in errors.

    Raises
    ------
    FileError
        If it is no classifier or a damaged one.
    """
    if not content.startswith(MAGIC):
        raise FileError(name, f"{MAGIC.decode().strip()!r} in the first line", "another beginning", remedy=_REMEDY)
    first = len(signed(b""))
    if signed(content[first:]) != content:
        raise FileError(name, "content with the SHA-256 of the first line", "another one", remedy=_REMEDY)
    end = content.find(b"\n", first, first + LONGEST_HEADER)
    if end < 0:
        raise FileError(name, "a second line", "none", remedy=_REMEDY)
    header = _Header.parsed(content[first:end], name)
    body = content[end + 1 :]
    if len(body) != header.length:
        raise FileError(name, f"{header.length} bytes of arrays", f"{len(body)}", remedy=_REMEDY)
    try:
        trained = _trained(header, _arrays(header, body))
    except OperandoError as error:
        raise FileError(name, "a classifier", f"a broken one ({error})", remedy=_REMEDY) from None
    return PixelClassifier(
        header.features,
        header.trees,
        header.leaf,
        header.seed,
        classes=header.classes,
        edges=header.edges,
        units=header.units,
        trained=trained,
    )


@dataclass(frozen=True)
class _Header:
    """What the second line says, each value within its limits."""

    features: Features
    trees: int
    leaf: int
    seed: int
    classes: dict[int, str]
    edges: tuple[float, float, float]
    units: str
    nodes: int
    voxels: int

    @classmethod
    def parsed(cls, line: bytes, name: str) -> _Header:
        try:
            given = json.loads(line)
            return cls(
                Features(tuple(map(float, given["scales"])), tuple(map(str, given["families"]))),
                _whole(given, "trees", 1, MOST_TREES),
                _whole(given, "leaf", 1, _LARGEST),
                _whole(given, "seed", 0, 2**32 - 1),
                _classes(given["classes"]),
                _edges(given["edges"]),
                _one_of(given["units"], ("um", "px")),
                _whole(given, "nodes", 1, _LARGEST),
                _whole(given, "voxels", 1, _LARGEST),
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, OperandoError) as error:
            said = f"{type(error).__name__}: {error}"[:200]
            raise FileError(name, "the parameters of a classifier", said, place="line 2", remedy=_REMEDY) from None

    def shape(self, dims: tuple[str, ...]) -> tuple[int, ...]:
        sizes = {"trees": self.trees, "nodes": self.nodes, "voxels": self.voxels, "classes": len(self.classes)}
        return tuple((sizes | {"features": len(self.features.names)})[dim] for dim in dims)

    @property
    def length(self) -> int:
        return sum(np.dtype(kind).itemsize * math.prod(self.shape(dims)) for kind, dims in _ARRAYS.values())


def _arrays(header: _Header, body: bytes) -> Arrays:
    found, start = {}, 0
    for name, (kind, dims) in _ARRAYS.items():
        shape = header.shape(dims)
        array = np.frombuffer(body, kind, math.prod(shape), start).reshape(shape)
        found[name] = array.astype(array.dtype.newbyteorder("="))
        start += array.nbytes
    return found


def _trained(header: _Header, arrays: Arrays) -> Trained:
    """Return what the arrays say; a forest that leads out of its arrays is refused here.

    Raises
    ------
    OperandoError
        If an array holds what it cannot.
    """
    nodes = (arrays[name] for name in ("start", "feature", "threshold", "child", "share"))
    forest = Forest(len(header.features.names), *nodes)
    kind, out = arrays["kind"], arrays["out_of_bag"]
    told = np.isfinite(out).all(axis=1)
    problems = {
        "labelled voxels of every class and no other": np.unique(kind).tolist() != list(range(len(header.classes))),
        "finite features": not np.isfinite(arrays["values"]).all(),
        "probabilities from 0 to 1": not np.all((out[told] >= 0) & (out[told] <= 1 + 1e-4)),
        "importances from 0 to 1": not np.all((arrays["importance"] >= 0) & (arrays["importance"] <= 1 + 1e-4)),
    }
    for expected, wrong in problems.items():
        if wrong:
            raise OperandoError(f"expected {expected}, got others")
    return Trained(forest, Sample(arrays["values"], kind, arrays["stroke"]), out, arrays["importance"])


def _whole(given: dict[str, Any], name: str, low: int, high: int) -> int:
    value = given[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} from {low} to {high} expected, got {str(value)[:40]}")
    return value


def _classes(given: Any) -> dict[int, str]:
    """Return numbers and names, ascending, two or more."""
    found = {int(number): str(name) for number, name in given}
    right = len(found) >= 2 and list(found) == sorted(found) and 1 <= min(found) <= max(found) <= LARGEST_CLASS
    names = list(found.values())
    if not right or len(found) < len(given) or len(set(names)) < len(names) or any(len(n.split()) != 1 for n in names):
        raise ValueError("two or more classes with different names expected")
    return found


def _edges(given: Any) -> tuple[float, float, float]:
    z, y, x = map(float, given)
    if not all(0 < edge < math.inf for edge in (z, y, x)):
        raise ValueError("positive edges of voxels expected")
    return z, y, x


def _one_of(given: Any, known: tuple[str, ...]) -> str:
    if given not in known:
        raise ValueError(f"units {' or '.join(known)} expected")
    return str(given)
