import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from operando.errors import OperandoError
from operando.example_scans import microstructure, parameters
from operando.history import entries
from operando.tomo import label, regions
from operando.tomo.object_classes import Kind, classify_objects
from operando.tomo.object_shapes import shapes

EDGE = 0.65


def placed(values):
    dims = ("scan", "z", "y", "x")[-np.ndim(values) :]
    return xr.DataArray(values, dims=dims).assign_coords(voxel_size=EDGE)


def scene(size=64):
    """A ball, a penny, a rod and a cap on a particle, each an object; phases 1 particle, 2 matrix, 3 void."""
    z, y, x = np.indices((size,) * 3)
    phases = np.full((size,) * 3, 2, np.uint8)
    particle = np.sqrt((z - 44.2) ** 2 + (y - 44.3) ** 2 + (x - 20.1) ** 2)
    cap = (particle < 15) & (particle >= 12) & (x - 20 > 0.3 * particle)
    phases[(z - 15.3) ** 2 + (y - 15.1) ** 2 + (x - 15.4) ** 2 <= 100] = 3
    phases[(np.abs(z - 15.5) < 1.3) & ((y - 46) ** 2 + (x - 46) ** 2 <= 196)] = 3
    phases[(np.abs(y - 14) < 3) & (np.abs(x - 46) < 3) & (np.abs(z - 45) < 15)] = 3
    phases[cap] = 3
    phases[particle < 12] = 1
    return placed(phases)


BALL_PENNY_ROD = [(15.3, 15.1, 15.4), (15.5, 46.0, 46.0), (45.0, 14.0, 46.0)]


def nearest(table, voxel):
    away = table["centroid"].values - (np.array(voxel) + 0.5) * EDGE
    return int(np.linalg.norm(away, axis=1).argmin())


@pytest.fixture(scope="module")
def measured():
    phases = scene()
    labels, table = label(phases == 3)
    return labels, shapes(table, labels, phases), phases


def test_balls_are_spherical_and_pennies_are_not(measured):
    """The penny lies along the faces of voxels, where 13 directions find 0.927 of a plane."""
    _, table, _ = measured
    ball, penny, rod = (nearest(table, at) for at in BALL_PENNY_ROD)
    assert abs(table["sphericity"][ball] - 1) < 3.3 * table["sphericity_std"][ball] + 0.002
    assert float(table["surface_area"][ball]) == pytest.approx(4 * np.pi * (10 * EDGE) ** 2, rel=0.006)
    assert table["sphericity"][penny] < 0.55
    true = (2 * np.pi * 14**2 + 2 * np.pi * 14 * 2) * EDGE**2
    assert float(table["surface_area"][penny]) == pytest.approx(0.927 * true, rel=0.04)
    assert table["surface_area"].attrs["units"] == "um^2"
    assert 0.5 < table["sphericity"][rod] < 0.85


def test_kinds_follow_the_stated_rules(measured):
    _, table, _ = measured
    found = classify_objects(table, active=1)
    ball, penny, rod = (nearest(table, at) for at in BALL_PENNY_ROD)
    cap = ({0, 1, 2, 3} - {ball, penny, rod}).pop()
    assert [int(found["kind"][one]) for one in (ball, penny, rod, cap)] == [
        Kind.void,
        Kind.crack,
        Kind.void,
        Kind.contact_loss,
    ]
    assert 0.35 < float(found["surface_share"].sel(phase=1)[cap]) < 0.5
    assert not found["surface_share"].sel(phase=1)[[ball, penny, rod]].any()
    assert_allclose(found["surface_share"].sum("phase"), 1)
    assert found["kind"].attrs["flag_meanings"] == "unresolved void crack contact_loss"
    assert (classify_objects(table, active=1, fewest_voxels=10**6)["kind"] == Kind.unresolved).all()
    assert (classify_objects(table)["kind"] != Kind.contact_loss).all()
    assert [one["step"] for one in entries(found)][-2:] == ["tomo.shapes", "tomo.classify_objects"]


def test_an_aperture_in_the_table_is_the_opening(measured):
    _, table, _ = measured
    wide = table.assign(aperture_median=("object", np.full(4, 100.0), {"units": "um"}))
    assert (classify_objects(wide)["kind"] == Kind.void).all()


@pytest.mark.parametrize("chunks", [{"z": 20, "y": 64, "x": 31}, {"scan": 2, "z": 64}])
def test_series_and_chunks_give_the_shapes_of_single_volumes(measured, chunks):
    labels, table, phases = measured
    series, both = (placed(np.stack([one.values, one.values[::-1]])) for one in (labels, phases))
    found = shapes(regions(series.chunk(chunks)), series.chunk(chunks), both.chunk(chunks))
    first = found.isel(object=(found["scan"] == 0).values)
    for name in ("surface_area", "sphericity", "surface_share"):
        assert_allclose(first[name], table[name], rtol=1e-12)
    mirrored = found.isel(object=(found["scan"] == 1).values)
    assert_allclose(mirrored["surface_area"], table["surface_area"], rtol=1e-12)


def test_kinds_of_the_simulated_cell_are_mostly_right():
    law = parameters.load("small").tomography
    fixed = microstructure.structure(law, 1)
    truth = {microstructure.PORE: Kind.void, microstructure.GAP: Kind.contact_loss, microstructure.CRACK: Kind.crack}
    right = {kind: [] for kind in truth.values()}
    for passed in (0.4, 0.8):
        phases = placed(microstructure.volume(law, fixed, microstructure.state(law, fixed, passed, passed)).label)
        labels, table = label(phases >= microstructure.PORE)
        found = classify_objects(shapes(table, labels, phases), active=microstructure.NCM)
        for row in np.flatnonzero(~found["touches_border"] & (found["kind"] != Kind.unresolved)):
            voxels = np.bincount(phases.values[labels.values == found["number"].values[row]], minlength=6)
            if voxels.max() > 0.8 * voxels.sum():
                kind = truth[int(voxels.argmax())]
                right[kind].append(int(found["kind"][row]) == kind)
    assert all(right[Kind.crack])
    assert np.mean(right[Kind.void]) > 0.8
    assert np.mean(right[Kind.contact_loss]) > 0.6


def test_tables_without_the_columns_needed_are_refused(measured):
    labels, table, _ = measured
    with pytest.raises(OperandoError, match="number, volume and flatness"):
        shapes(table.drop_vars("flatness"), labels)
    with pytest.raises(OperandoError, match="whole numbers from 0 to 255, got type int64 from 0 to 300"):
        shapes(table, labels, (labels > 0) * 300)
    with pytest.raises(OperandoError, match="labels that the table was made of"):
        shapes(table, labels.where(labels != 2, 0).astype(int))
    with pytest.raises(OperandoError, match="surface_share; see"):
        classify_objects(table.drop_vars("surface_share"), active=1)
    with pytest.raises(OperandoError, match="one of the phases that objects border on, got 9"):
        classify_objects(table, active=9)
