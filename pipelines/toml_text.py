"""TOML as text: reading it with its mistakes told, writing values into a draft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from operando.errors import FileError
from operando.toml_file import parsed


def read_toml(path: Path, what: str, *, missing: str = "") -> tuple[str, dict[str, Any]]:
    """Return a TOML file's text and its tables; a byte-order mark is passed over.

    Parameters
    ----------
    path
        The file.
    what
        What it should be, such as ``"a recipe"``.
    missing
        What to do if there is none.

    Raises
    ------
    FileError
        If there is no such file, or it cannot be read, is not UTF-8 or no TOML (or too deep, or with endless numbers).
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileError(path, what, "a pipe or a device")
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, parsed(path, text)
    except FileNotFoundError:
        raise FileError(path, what, "no such file", remedy=missing) from None
    except OSError as error:
        raise FileError(path, f"{what} that can be read", error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise FileError(path, "UTF-8 text", "other bytes", place=f"line {line}", remedy="save it as UTF-8") from None


def toml_key(key: str) -> str:
    """Return a key as TOML writes it, quoted where needed."""
    bare = key and all(char.isascii() and (char.isalnum() or char in "_-") for char in key)
    return key if bare else json.dumps(key, ensure_ascii=False)


def toml(value: object) -> str:
    """Return a value as TOML writes it; tables are written inline."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
