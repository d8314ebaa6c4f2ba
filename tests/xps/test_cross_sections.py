"""Sensitivity factors against Scofield's, and the angular asymmetry."""

from __future__ import annotations

import numpy as np
import pytest

from operando import xps
from operando.errors import OperandoError
from operando.history import entries
from operando.xps import cross_sections

AL_K_ALPHA = 1486.6


@pytest.mark.parametrize(
    ("level", "factor"),
    [("Li 1s", 0.0569), ("O 1s", 2.93), ("F 1s", 4.43), ("S 2p", 1.675), ("P 2p", 1.19), ("Cl 2p", 2.288)],
)
def test_factors_at_aluminium_k_alpha_are_those_of_scofield(level: str, factor: float):
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    found = xps.sensitivity_factor(level, AL_K_ALPHA)
    assert float(found) == pytest.approx(factor, rel=5e-3)
    assert found.attrs["units"] == "1"
    assert entries(found)[-1]["step"] == "xps.sensitivity_factor"


def test_the_lines_of_a_pair_add_up_to_the_level():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    energies = [1000.0, AL_K_ALPHA, 3000.0]
    parts = [xps.sensitivity_factor(f"Ni 2p{j}", energies) for j in ("1/2", "3/2")]
    np.testing.assert_allclose(sum(parts), xps.sensitivity_factor("Ni 2p", energies), rtol=1e-12)


def test_cross_sections_fall_with_the_photon_energy_faster_than_its_square():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    found = xps.sensitivity_factor("C 1s", [500.0, 1000.0, 2000.0, 4000.0], relative_to=None)
    assert found.attrs["units"] == "barn"
    assert (found[:-1].to_numpy() / found[1:].to_numpy() > 4).all()


def test_photons_that_do_not_reach_a_level_are_refused():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    with pytest.raises(OperandoError, match=r"S 2p is bound by 16\d.* eV, which photons of 100 eV do not reach"):
        xps.sensitivity_factor("S 2p", 100.0)


def test_an_element_that_does_not_exist_is_refused():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    with pytest.raises(OperandoError, match="no cross section is tabulated for Xx 2p"):
        xps.sensitivity_factor("Xx 2p", AL_K_ALPHA)


def test_without_the_tables_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr(cross_sections, "import_module", missing)
    with pytest.raises(OperandoError, match=r"operando\[xps\]"):
        xps.sensitivity_factor("K 2p", AL_K_ALPHA)


def test_asymmetry_needs_its_parameter_but_for_s_levels():
    pytest.importorskip("xraylib", reason="xraylib is not installed")
    with pytest.raises(OperandoError, match="asymmetry of S 2p"):
        xps.sensitivity_factor("S 2p", AL_K_ALPHA, angle=90.0)
    plain = float(xps.sensitivity_factor("S 2p", AL_K_ALPHA))
    turned = float(xps.sensitivity_factor("S_2p", AL_K_ALPHA, angle=90.0, asymmetry={"S 2p": 1.2}))
    assert turned / plain == pytest.approx((1 + 0.6 * 0.5) / (1 + 1 * 0.5), rel=1e-12)
    assert float(xps.sensitivity_factor("O 1s", AL_K_ALPHA, angle=20.0)) == pytest.approx(
        float(xps.sensitivity_factor("O 1s", AL_K_ALPHA)), rel=1e-12
    )


@pytest.mark.parametrize("light", ["unpolarized", "linear"])
@pytest.mark.parametrize("beta", [-1.0, 0.0, 1.3, 2.0])
def test_over_all_directions_the_asymmetry_cancels(light: str, beta: float):
    cosine, weight = np.polynomial.legendre.leggauss(8)
    factors = [float(xps.angular_factor(beta, np.rad2deg(np.arccos(one)), light)) for one in cosine]
    assert np.dot(weight, factors) / 2 == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("light", ["unpolarized", "linear"])
def test_at_the_magic_angle_it_does_not_matter(light: str):
    np.testing.assert_allclose(xps.angular_factor([-1, 0.5, 2], cross_sections.MAGIC_ANGLE, light), 1, rtol=1e-12)


def test_a_parameter_beyond_its_range_is_refused():
    with pytest.raises(OperandoError, match="-1 to 2"):
        xps.angular_factor(2.5, 54.7)
    with pytest.raises(OperandoError, match="light"):
        xps.angular_factor(1.0, 54.7, "circular")  # type: ignore[arg-type]
