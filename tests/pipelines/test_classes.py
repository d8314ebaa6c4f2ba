"""The step that applies a trained classifier numbers its phases from 1 and names its file in a mistake."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from phase_phantoms import blobs, by_grey, strokes

from operando import tomo
from operando.errors import FileError
from operando.history import entries, recorded
from operando.pipelines.export.classifier import write_classifier
from operando.pipelines.steps import STEPS

EDGE = 24
CLASSIFY = STEPS["xtm"]["classify"].run


@pytest.fixture(scope="module")
def scans():
    phases = blobs(EDGE, 3, (0.4, 0.6), 3.0)
    grey = xr.DataArray(by_grey(phases, 4, (100.0, 200.0), 0.5, 10.0)[np.newaxis], dims=("scan", "z", "y", "x"))
    raw = recorded(xr.Dataset({"grey": grey}), "tomo.read", {})
    return raw, raw.drop_vars("grey"), phases


def test_classes_become_phases_in_their_order(scans, tmp_path):
    raw, processed, phases = scans
    marks = strokes(phases, 5, 5) * np.uint8(3)
    trained = tomo.PixelClassifier(features=tomo.Features(scales=(1.0,)), trees=30)
    trained = trained.fit(raw["grey"][0], marks, {3: "void", 6: "electrolyte"})
    path = write_classifier(tmp_path / "phases.forest", trained)
    found = CLASSIFY(raw, processed, classifier=path)
    np.testing.assert_array_equal(found["phase_label"], trained.predict(raw["grey"]) // 3)
    assert found["phase"].values.tolist() == ["void", "electrolyte"]
    assert found["phase_label"].attrs["flag_meanings"] == "void electrolyte"
    assert [one["step"] for one in entries(found)] == ["tomo.read", "tomo.PixelClassifier.predict"]


def test_what_is_no_classifier_is_named(scans, tmp_path):
    raw, processed, _ = scans
    (tmp_path / "phases.forest").write_text("a letter")
    with pytest.raises(FileError, match=r"phases\.forest"):
        CLASSIFY(raw, processed, classifier=tmp_path / "phases.forest")
