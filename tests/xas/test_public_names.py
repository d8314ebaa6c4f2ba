"""Public names lead to what they name, whichever is asked for first."""

from __future__ import annotations

from operando import xas


def test_no_function_lives_in_a_module_of_its_own_name():
    """Once imported, the module would take the function's place in the package."""
    hidden = [name for name, module in xas._LAZY.items() if module == f".{name}" and name not in xas._MODULES]
    assert not hidden
