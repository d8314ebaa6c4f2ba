"""Public names lead to what they name, whichever is asked for first."""

from __future__ import annotations

from operando.xas import xpeem


def test_no_function_lives_in_a_module_of_its_own_name():
    """Once imported, the module would take the function's place in the package."""
    hidden = [name for name, module in xpeem._LAZY.items() if module == f".{name}" and name not in xpeem._MODULES]
    assert not hidden
    assert set(xpeem.__all__) == set(xpeem._LAZY)
