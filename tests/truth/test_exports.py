"""What the example scans' store exports is read again by the readers of the formats."""

from __future__ import annotations

import numpy as np

from operando import echem, xas, xps
from operando.pipelines.export import write_bdf, write_csv, write_nexus_files, write_vamas
from operando.pipelines.export.tables import tables


def test_absorption_of_the_cell_comes_back_from_nexus(shipped, tmp_path):
    (path,), notes = write_nexus_files(tmp_path / "Ni.nxs", shipped.tree, ["xas/Ni_L3"])
    ds, read = shipped.tree["xas/Ni_L3/raw"].to_dataset(), xas.read(path)
    assert not notes
    for name in ("i0", "tey", "tfy", "energy", "time_start", "time", "time_end", "flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)


def test_core_levels_of_the_cell_come_back_from_vamas(shipped, tmp_path):
    ds = shipped.tree["xps/electrolyte/raw"].to_dataset()
    read = xps.read(write_vamas(tmp_path / "own.vms", shipped.tree), region=["P 2p", "S 2p", "C 1s"])
    for name in ("counts", "transmission", "dwell", "photon_energy", "region", "time_start", "flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
    np.testing.assert_array_equal(read["sweeps"].where(ds["sweeps"].notnull()), ds["sweeps"])
    # The middle of a scan is found again from its ends, which have been brought to the clock one by one.
    assert abs(read["time"] - ds["time"]).max() <= np.timedelta64(1, "ns")


def test_the_log_of_the_cell_comes_back_in_its_pieces(shipped, tmp_path):
    ds = shipped.tree["echem"].to_dataset()
    cell = {**{str(name): float(value) for name, value in shipped.tree["cell"].data_vars.items()}}
    stated = {key: shipped.tree["cell"].attrs[key] for key in ("reference_electrode", "potential_offset")}
    read = echem.read(write_bdf(tmp_path / "cell.bdf.csv", shipped.tree)[0], cell={**cell, **stated})
    for name in ("time", "voltage", "current", "potential", "step", "segment", "cycle", "half_cycle", "flag"):
        np.testing.assert_array_equal(read[name], ds[name], err_msg=name)
    for name in ("charge", "capacity", "soc"):
        np.testing.assert_allclose(read[name], ds[name], atol=1e-12 * float(abs(ds[name]).max()), err_msg=name)


def test_every_number_of_every_node_is_in_a_table_or_an_image(shipped, tmp_path):
    for node in shipped.tree.leaves:
        ds = node.to_dataset()
        found, images = tables(ds)
        told = {str(array.name) for table in found for array in table.about}
        assert told | set(images) >= set(map(str, ds.data_vars)), node.path
        assert len({table.name for table in found}) == len(found)
    paths, _ = write_csv(tmp_path, shipped.tree, ["cell"])
    assert paths[0].read_text("utf-8").splitlines()[-1] == "7.0,0.785,1.4,-0.012"
