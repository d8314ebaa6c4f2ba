"""Graphs as clusters compute them: equal results in portions, under names that come but once."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest

from operando.errors import OperandoError
from operando.pipelines import cluster
from operando.pipelines.cluster_tasks import filled, flat, graph_of, portions, renamed
from operando.pipelines.progress import Silent
from operando.pipelines.recipe_tables import ClusterSection


@pytest.mark.parametrize("most", [3, 20, 5000])
def test_portions_of_any_size_give_the_results_of_the_whole(most):
    field = da.random.default_rng(1).standard_normal((40, 40), chunks=(10, 10))
    wanted = (field + field.T).rechunk((20, 8))
    graph, keys = graph_of(wanted.__dask_graph__()), wanted.__dask_keys__()
    values, sizes = {}, []
    for part, some in portions(graph, flat(keys), most):
        tasks, names = renamed(part, some)
        assert not tasks.keys() & graph.keys()
        values |= zip(some, dask.get(tasks, names), strict=True)
        sizes.append((len(part), len(some)))
    assert all(size <= most or results == 1 for size, results in sizes)
    np.testing.assert_array_equal(np.block(filled(keys, values)), wanted.compute())


def test_names_come_but_once():
    array = da.ones((4, 4), chunks=2) + 1
    graph, keys = graph_of(array.__dask_graph__()), flat(array.__dask_keys__())
    first, second = renamed(graph, keys), renamed(graph, keys)
    assert not first[0].keys() & second[0].keys()


@pytest.mark.parametrize(("place", "words"), [("here", "expected local, slurm"), ("tcp://127.0.0.1:1", "none answers")])
def test_a_place_without_a_cluster_is_refused_in_one_line(place, words, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    with pytest.raises(OperandoError, match=words) as told, cluster.started(place, ClusterSection(), Silent()):
        pass
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"memory": "much"}, "such as '4 GiB'"),
        ({"lifetime": "long"}, "such as '55 minutes'"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"workers": 4, "most_workers": 2}, "at least 4"),
        ({"hue": 1}, "not permitted"),
        ({"spill": "/scratch; touch x"}, "letters, digits"),
        ({"queue": "day\ntouch x"}, "letters, digits"),
        ({"account": "$(touch x)"}, "letters, digits"),
        ({"directives": ["--mem=1G\ntouch x"]}, "a line each"),
        ({"prologue": ["touch x"]}, "not permitted"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        ClusterSection.model_validate(given)
