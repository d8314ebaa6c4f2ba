"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer

from operando.pipelines.cli import app

from .tables import escaped, heading, literal, rst_table


def write(folder: Path) -> None:
    """Write every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    parts = [heading("Commands", "="), "``operando COMMAND --help`` shows the same in a terminal.", ""]
    parts += [_section(name, command) for name, command in group.commands.items()]
    (folder / "commands.rst").write_text("\n".join(parts), encoding="utf-8")


def _section(name: str, command: Any) -> str:
    shown = [par for par in command.params if par.name != "help"]
    arguments = [_name(par) for par in shown if _is_argument(par)]
    usage = " ".join(["operando", name, *arguments, *(["[OPTIONS]"] if len(shown) > len(arguments) else [])])
    table = rst_table(("", "default", "meaning"), map(_row, shown), (28, 16, 56)) if shown else ""
    return "\n".join([heading(f"operando {name}"), f"``{usage}``", "", inspect.cleandoc(command.help or ""), "", table])


def _is_argument(par: Any) -> bool:
    return bool(par.param_type_name == "argument")


def _name(par: Any) -> str:
    if not _is_argument(par):
        return ", ".join(par.opts)
    return par.name.upper() if par.required else f"[{par.name.upper()}]"


def _row(par: Any) -> tuple[str, str, str]:
    plain = isinstance(par.default, str | int | float | Path) and not isinstance(par.default, bool)
    wanted = "*required*" if par.required else literal(str(par.default)) if plain else ""
    return literal(_name(par).strip("[]")), wanted, escaped(getattr(par, "help", None) or "")
