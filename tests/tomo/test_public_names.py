"""Public names lead to what they name, whichever is asked for first."""

from __future__ import annotations

from operando import tomo


def test_every_public_name_is_there():
    assert list(tomo._LAZY) == tomo.__all__
    assert not [name for name in tomo.__all__ if not hasattr(tomo, name)]


def test_no_function_lives_in_a_module_of_its_own_name():
    """Once imported, the module would take the function's place in the package."""
    hidden = [name for name, module in tomo._LAZY.items() if module == f".{name}" and name not in ("formats", "plot")]
    assert not hidden
