"""Files and recipes are data: nothing in the source can run what stands in one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path
    for floor in ("operando", "xas", "xps", "tomo", "pipelines", "viewer")
    for path in (ROOT / floor).glob("**/*.py")
]
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml", "ruamel", "jsonpickle"}
CALLS = {"eval", "exec", "compile", "__import__", "literal_eval", "system", "popen", "read_pickle", "to_pickle"}

WORDS = re.compile("|".join([*MODULES, *CALLS, r"\bload\b"]))


def told(path: Path) -> list[str]:
    """Return what a file imports or calls of these, with its line."""
    found, text = [], path.read_text("utf-8")
    if not WORDS.search(text):
        return []
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if (node.module or "").partition(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            names = [name for name in [_called(node)] if name in CALLS and not _on_module(node, "re")]
            names += ["np.load without allow_pickle=False"] if _loads(node) else []
        found += [f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in names]
    return found


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _on_module(node: ast.Call, name: str) -> bool:
    return isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == name


def _loads(node: ast.Call) -> bool:
    refused = any(k.arg == "allow_pickle" and getattr(k.value, "value", None) is False for k in node.keywords)
    return _called(node) == "load" and (_on_module(node, "np") or _on_module(node, "numpy")) and not refused


def test_nothing_that_runs_code_from_files_is_used():
    assert len(SOURCES) > 300
    assert [text for path in SOURCES for text in told(path)] == []


@pytest.mark.parametrize(
    "line", ["import pickle", "eval('1')", "np.load(path)", "from yaml import load", "os.system('ls')"]
)
def test_it_would_be_seen(tmp_path, line, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "a.py").write_text(line)
    assert len(told(tmp_path / "a.py")) == 1
