import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from operando.errors import OperandoError
from operando.example_scans import microstructure, parameters
from operando.history import entries
from operando.schema import problems
from operando.tomo.crack_tables import crack_table
from operando.tomo.identities import Event, Kind
from operando.tomo.layout import CRACKS
from operando.tomo.tracking import track

SIZE = (24, 28, 30)
TIME = np.datetime64("2026-03-01T10:00", "ns") + np.arange(7) * np.timedelta64(3600, "s")


def ball(center, radius):
    grid = np.ogrid[tuple(slice(size) for size in SIZE)]
    return sum((at - c) ** 2 for at, c in zip(grid, center, strict=True)) <= radius**2


def labeled(*scans):
    """Label images of lists of balls (center, radius); what touches is one object."""
    images = []
    for balls in scans:
        mask = np.zeros(SIZE, bool)
        for center, radius in balls:
            mask |= ball(center, radius)
        images.append(ndimage.label(mask, np.ones((3, 3, 3)))[0])
    return xr.DataArray(np.array(images, np.int32), dims=("scan", "z", "y", "x")).assign_coords(
        voxel_size=0.5, time=("scan", TIME[: len(scans)])
    )


def history():
    """A and B grow, merge, and split again; C shrinks and heals; D appears, is lost for a scan, and comes back."""
    a, b, c, d = (6, 8, 8), (6, 8, 17), (17, 20, 8), (17, 20, 22)
    return labeled(
        [(a, 3), (b, 2), (c, 4)],
        [(a, 4), (b, 3), (c, 3), (d, 2)],
        [(a, 5), (b, 4), (c, 2)],
        [(a, 4), (b, 3), (d, 2)],
        [(a, 4), (b, 3), (d, 2)],
    )


def events(found, number):
    return [Event(int(one)) for one in found["event"].sel(track=number).values]


def test_objects_that_grow_merge_and_split_keep_their_identity():
    found = track(history())
    a, b, c, d = 1, 2, 3, 4
    assert found["object"].sel(track=a).values.tolist() == [1, 1, 1, 1, 1]
    assert events(found, a) == [
        Event(0),
        Event.growth,
        Event.growth | Event.absorption,
        Event.split | Event.shrinkage,
        Event(0),
    ]
    assert events(found, b)[2] == Event.merger
    assert found["merged_into"].sel(track=b) == a
    assert found["last_scan"].sel(track=b) == 1
    assert events(found, c) == [Event(0), Event.shrinkage, Event.shrinkage, Event.healing, Event(0)]
    assert events(found, d)[1:3] == [Event.birth, Event.healing]
    split = 5
    assert events(found, split)[3] == Event.splitting_off
    assert found["parent"].sel(track=split) == a
    assert found["first_scan"].values.tolist() == [0, 0, 0, 1, 3, 3]


def test_a_lost_object_is_recognized_within_the_gap_allowed():
    found = track(history(), gap=1)
    assert found.sizes["track"] == 5
    assert events(found, 4) == [Event(0), Event.birth, Event(0), Event.reappearance, Event(0)]
    assert (found["object"].sel(track=4) > 0).values.tolist() == [False, True, False, True, True]


def test_volumes_and_links_count_voxels():
    labels = history()
    found = track(labels)
    for scan in range(labels.sizes["scan"]):
        for number in found["track"].values:
            of = int(found["object"].sel(track=number)[scan])
            voxels = int((labels[scan] == of).sum()) if of else 0
            assert float(found["volume"].sel(track=number)[scan]) == voxels * 0.125
    for link in range(found.sizes["link"]):
        one = found.isel(link=link)
        before = labels[int(one["from_scan"])] == int(one["from_object"])
        after = labels[int(one["to_scan"])] == int(one["to_object"])
        shared = int((before.values & after.values).sum())
        assert float(one["link_volume"]) == shared * 0.125
        assert float(one["link_share"]) == shared / min(int(before.sum()), int(after.sum()))
    kinds = found["link_kind"].values[found["to_scan"].values == 2]
    assert sorted(kinds) == [Kind.same, Kind.same, Kind.merger]
    assert found["volume"].attrs["units"] == "um^3"


@pytest.mark.parametrize("chunks", [{"scan": 1, "z": 7, "y": 28, "x": 11}, {"scan": 2, "z": 24, "y": 9}])
def test_tracks_depend_neither_on_chunks_nor_on_the_order_of_numbers(chunks):
    labels = history()
    whole = track(labels, gap=1)
    xr.testing.assert_identical(whole, track(labels.chunk(chunks), gap=1))
    order = np.random.default_rng(1).permutation(np.arange(1, 1000))
    mixed = labels.copy(data=np.where(labels.values > 0, order[labels.values - 1], 0))
    again = track(mixed, gap=1)
    numbered = {"object", "from_object", "to_object"}
    xr.testing.assert_identical(whole.drop_vars(numbered), again.drop_vars(numbered))
    assert (again["object"] > 0).equals(whole["object"] > 0)


def test_objects_that_move_farther_than_their_size_are_followed_by_the_displacement():
    step = np.array([4.0, 1.0, -5.0])
    begin = np.array([(5.0, 6.0, 24.0), (5.0, 18.0, 24.0)])
    labels = labeled(*[[(center + scan * step, 2.0) for center in begin] for scan in range(4)])
    assert track(labels).sizes["track"] == 8
    rigid = xr.DataArray(np.tile(step * 0.5, (4, 1)), dims=("scan", "axis"))
    moved = track(labels, rigid)
    assert moved.sizes["track"] == 2
    assert (moved["object"] > 0).all()
    field = rigid.expand_dims(dict(zip("zyx", SIZE, strict=True)))
    from_field = track(labels.chunk({"scan": 1, "z": 9, "x": 13}), field.chunk({"z": 9, "y": 28, "x": 13}))
    assert from_field.drop_attrs().equals(moved.drop_attrs())


def test_a_displacement_adds_up_over_a_gap():
    labels = labeled([((5, 8, 8), 2)], [], [((15, 8, 8), 2)])
    step = xr.DataArray(np.tile([2.5, 0.0, 0.0], (3, 1)), dims=("scan", "axis"))
    assert track(labels, step, gap=1).sizes["track"] == 1
    assert track(labels, gap=1).sizes["track"] == 2


def test_small_overlaps_do_not_make_objects_one():
    labels = labeled([((12, 12, 10), 4)], [((12, 12, 16), 4)])
    share = float(track(labels, smallest_share=0.01)["link_share"][0])
    assert 0.01 < share < 0.3
    assert track(labels, smallest_share=share).sizes["track"] == 1
    assert track(labels, smallest_share=share + 0.01).sizes["track"] == 2


def test_series_without_objects_have_no_tracks():
    found = track(labeled([], []))
    assert dict(found.sizes) == {"scan": 2, "track": 0, "link": 0}
    assert crack_table(found).sizes["crack"] == 0


def test_a_crack_says_when_it_was_born_and_when_it_was_last_seen():
    tracks = track(history(), gap=1)
    table = crack_table(tracks)
    np.testing.assert_array_equal(table["object"], tracks["object"])
    assert table["time_birth"].values[3] == TIME[1]
    assert table["time_unseen"].values[3] == TIME[0]
    assert problems(table, CRACKS) == []
    assert np.isnat(table["time_unseen"].values[0])
    assert table["time_last"].values[2] == TIME[2]
    assert float(table["volume_max"][2]) == float(table["volume"].isel(crack=2).max())
    assert entries(table)[-1]["step"] == "tomo.crack_table"


def simulated():
    law = parameters.load("small").tomography
    fixed = microstructure.structure(law, 1)
    states = [microstructure.state(law, fixed, z, z) for z in np.linspace(0.05, 1.0, 5)]
    return law, fixed, [microstructure.volume(law, fixed, now).label for now in states]


def test_cracks_of_the_simulated_cell_keep_their_identity_until_they_merge():
    law, _, volumes = simulated()
    everywhere = np.ones((3, 3, 3))
    cracks = np.array([ndimage.label(volume == microstructure.CRACK, everywhere)[0] for volume in volumes])
    found = track(xr.DataArray(cracks, dims=("scan", "z", "y", "x")).assign_coords(voxel_size=law.voxel_size))
    assert found["first_scan"].values[0] == 0
    assert (found["object"].isel(track=0) > 0).all()
    second = [Event(int(one)) for one in found["event"].isel(track=1).values]
    assert Event.birth in second[2] | second[3]
    assert found["merged_into"].values[1] == 1


def test_gaps_of_the_simulated_cell_stay_with_their_particles():
    law, fixed, volumes = simulated()
    gaps = np.array([ndimage.label(volume == microstructure.GAP, np.ones((3, 3, 3)))[0] for volume in volumes])
    found = track(xr.DataArray(gaps, dims=("scan", "z", "y", "x")))
    middles = np.moveaxis(np.indices(gaps.shape[1:]) + 0.5, 0, -1) * law.voxel_size
    has = fixed.angle > 0
    away = [
        np.linalg.norm(middles - center, axis=-1) - radius
        for center, radius in zip(fixed.center[has], fixed.radius[has], strict=True)
    ]
    particle = np.argmin(away, axis=0)
    assert found.sizes["track"] > 30
    for numbers in found["object"].values.T:
        owners = [
            np.bincount(particle[image == number]).argmax()
            for image, number in zip(gaps, numbers, strict=True)
            if number
        ]
        assert len(set(owners)) == 1


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (history().isel(scan=0), {}, "dims scan, z, y and x"),
        (history() > 0, {}, "integers, got values of type bool"),
        (history(), {"smallest_share": 0.0}, "above 0 and at most 1"),
        (history(), {"gap": -1}, "0 scans or more"),
        (history(), {"smallest_change": -0.1}, "0 or more"),
        (history(), {"displacement": xr.DataArray(np.zeros((4, 3)), dims=("scan", "axis"))}, "of sizes as the labels"),
    ],
)
def test_what_cannot_be_followed_is_refused(labels, settings, message):
    with pytest.raises(OperandoError, match=message):
        track(labels, **settings)


def test_a_crack_that_merges_is_not_what_a_crumb_beside_the_merger_is():
    """All of B but a crumb lies in what A has grown into; the crumb overlaps B alone."""
    a, b = ((12, 8, 8), 5), ((12, 8, 19), 4)
    before = labeled([a, b])[0]
    merged = before.copy(data=(before > 0).astype(np.int32))
    merged[11:14, 7:10, 12:16] = 1
    merged[:, :, 21] = 0
    merged[:, :, 22:] *= 2
    found = track(xr.concat([before, merged], "scan"))
    first, second = found["object"].values[0, :2]
    assert {int(first), int(second)} == {1, 2}
    assert (found["object"].isel(track=0) > 0).all()
    assert found["merged_into"].values.tolist() == [0, 1, 0]
    assert found["parent"].values.tolist() == [0, 0, 2]
    assert Event.splitting_off in events(found, 3)[1]
    assert Kind.merger in [Kind(int(one)) for one in found["link_kind"].values]
