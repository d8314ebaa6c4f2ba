"""Phase retrieval inverts the transport of intensity of a sample of one material."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_volumes import as_projections, discs_projected

from operando.errors import OperandoError
from operando.tomo import Paganin, reconstruct
from operando.tomo.phase_retrieval import paganin

Y, X = (np.arange(n) - n / 2 for n in (90, 110))


def test_a_wave_of_contrast_is_damped_as_the_filter_says():
    length, k = 3.0, 2 * np.pi / 22
    wave = np.cos(k * (np.arange(110) + 0.5))[np.newaxis] * np.ones((60, 1))
    found = paganin((1 + 0.1 * wave).astype(np.float32), length)
    np.testing.assert_allclose(found, 1 + 0.1 * wave / (1 + (length * k) ** 2), atol=2e-6)


def test_the_transmission_behind_the_sample_comes_back():
    """Between sample and detector I = (1 - length^2 Laplacian) T; here T = 1 - a exp(-r^2/2s^2)."""
    length, width = 4.0, 9.0
    square = (Y[:, np.newaxis] ** 2 + X**2) / width**2
    bump = 0.4 * np.exp(-square / 2)
    contact = 1 - bump
    seen = contact + length**2 * bump * (square - 2) / width**2
    found = paganin(seen.astype(np.float32), length)
    assert np.abs(seen - contact).max() > 0.1
    np.testing.assert_allclose(found, contact, atol=1e-3)


def test_the_length_of_the_filter_follows_from_the_setting():
    """At 12.398 keV the wavelength is 0.1 nm: sqrt(100 * 1e-4 um * 1e5 um / 4 pi) = 8.92 um."""
    assert Paganin(delta_beta=100, energy=12.398419843, distance=100).length == pytest.approx(8.9206, rel=1e-4)
    with pytest.raises(OperandoError, match="positive distance, got 0"):
        Paganin(delta_beta=100, energy=12, distance=0)


def test_phase_retrieval_is_a_step_of_the_reconstruction(tmp_path):
    angle = np.arange(0, 180, 2.0)
    lines = discs_projected([(0.0, 0.0, 20.0, 0.01)], np.deg2rad(angle), 60, 29.5)
    ds = as_projections(np.repeat(lines[:, np.newaxis], 12, axis=1), angle, 3e4, np.random.default_rng(2))
    phase = Paganin(delta_beta=20, energy=20.0, distance=20.0)
    sharp, smooth = (reconstruct(ds, center=29.5, phase=one) for one in (None, phase))
    middle = np.s_[:, 25:35, 25:35]
    assert smooth.to_numpy()[middle].std() < 0.5 * sharp.to_numpy()[middle].std()
    assert smooth.to_numpy()[middle].mean() == pytest.approx(sharp.to_numpy()[middle].mean(), rel=0.02)
    lazy = reconstruct(ds.chunk(angle=7, y=5), center=29.5, phase=phase)
    np.testing.assert_array_equal(lazy.to_numpy(), smooth.to_numpy())
    again = reconstruct(ds.chunk(angle=7, y=5), center=29.5, phase=phase, store=tmp_path)
    np.testing.assert_array_equal(again.to_numpy(), smooth.to_numpy())
    assert (tmp_path / "frames").is_dir()
    with pytest.raises(OperandoError, match="expected the coordinate pixel_size"):
        reconstruct(ds.drop_vars("pixel_size"), center=29.5, phase=phase)
    with pytest.raises(OperandoError, match="one positive pixel_size"):
        reconstruct(ds.assign_coords(pixel_size=-1.0), center=29.5, phase=phase)
