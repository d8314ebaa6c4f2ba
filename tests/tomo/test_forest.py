import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from operando.errors import OperandoError
from operando.tomo.forest import Forest, from_trees
from operando.tomo.forest_kernel import probabilities

FEATURES = 7


def sample(count, seed):
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 3, count)
    values = draw.normal(size=(count, FEATURES)) + kind[:, np.newaxis] * (np.arange(FEATURES) % 2)
    return values.astype(np.float32), kind


@pytest.fixture(scope="module")
def theirs():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(13, class_weight="balanced", random_state=4).fit(*sample(700, 1))


@pytest.fixture(scope="module")
def forest(theirs):
    return from_trees([tree.tree_ for tree in theirs.estimators_], FEATURES)


def applied(forest, values):
    found = np.empty((forest.share.shape[1], len(values)), np.float32)
    probabilities(np.ascontiguousarray(values.T), forest.arrays, found)
    return found.T


@pytest.mark.peer
@pytest.mark.parametrize("count", [1, 7, 128, 500])
def test_probabilities_are_those_of_scikit_learn(theirs, forest, count):
    values, _ = sample(count, 2)
    assert_allclose(applied(forest, values), theirs.predict_proba(values), atol=1e-6)


@pytest.mark.peer
def test_values_at_a_threshold_go_where_scikit_learn_sends_them(theirs, forest):
    values, _ = sample(2000, 3)
    for tree in theirs.estimators_:
        for feature in range(FEATURES):
            cuts = tree.tree_.threshold[tree.tree_.feature == feature].astype(np.float32)
            for near in (cuts, np.nextafter(cuts, np.float32(np.inf)), np.nextafter(cuts, np.float32(-np.inf))):
                values[np.random.default_rng(len(cuts)).integers(2000, size=len(near)), feature] = near
    assert_allclose(applied(forest, values), theirs.predict_proba(values), atol=1e-6)


def test_what_is_not_finite_has_no_probability(forest):
    values, _ = sample(300, 5)
    values[17, 3], values[200, 0] = np.nan, np.inf
    found = applied(forest, values)
    assert_array_equal(np.flatnonzero(np.isnan(found).any(axis=1)), [17, 200])
    assert_allclose(np.delete(found, [17, 200], axis=0).sum(axis=1), 1, atol=1e-6)


def test_a_tree_of_one_leaf_says_its_share():
    one = Forest(
        2,
        np.zeros(1, np.uint32),
        np.zeros(1, np.uint16),
        np.full(1, np.inf, np.float32),
        np.zeros(1, np.uint32),
        np.array([[0.25, 0.75]], np.float32),
    )
    assert_array_equal(applied(one, np.zeros((3, 2), np.float32)), [[0.25, 0.75]] * 3)


def changed(forest, name, at, value):
    arrays = {key: getattr(forest, key).copy() for key in ("start", "feature", "threshold", "child", "share")}
    arrays[name][at] = value
    return Forest(forest.features, **arrays)


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("child", 0, 2**31),
        ("child", 3, 1),
        ("child", 0, 5),
        ("child", -1, 2**32 - 1),
        ("feature", 0, FEATURES),
        ("feature", -1, 65535),
        ("threshold", 0, np.nan),
        ("threshold", 0, np.inf),
        ("threshold", -1, 0.0),
        ("share", -1, 0.7),
        ("share", -1, np.nan),
        ("share", (-1, 0), -1.0),
        ("start", 0, 1),
        ("start", 1, 2**32 - 1),
        ("start", 1, 0),
    ],
)
def test_a_forest_that_leads_astray_is_refused(forest, name, at, value):
    with pytest.raises(OperandoError, match="Forest: expected"):
        changed(forest, name, at, value)
