"""The command line: ``operando inspect | init | check | run | watch | report | view | export | simulate | demo``."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from operando.errors import OperandoError, OperandoWarning

if TYPE_CHECKING:
    from .progress import Terminal
    from .run import Summary

app = typer.Typer(
    name="operando",
    help="From a beamtime folder to one linked dataset and a report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

USAGE = 2
_NEVER = 2**30
_LISTED = 4
_FORMATS = "nexus, netcdf, csv, athena, vamas, bdf; or figures: pdf, svg, png"

_SETTLE = "s for which size and times of a file stay the same before it is read; 3 or more on slow shares"
_PATIENCE = "s for which a file that breaks off is waited for before it is stored as partial"

Folder = Annotated[Path, typer.Argument(help="the beamtime folder")]
RecipePath = Annotated[Path, typer.Argument(help="the recipe, or the folder that holds beamtime.toml")]
ClusterPlace = Annotated[
    str | None,
    typer.Option("--cluster", help="workers for volumes: local, slurm, or a scheduler's address, tcp://..."),
]
ClusterPage = Annotated[Path | None, typer.Option("--profile", help="page on what the cluster did when (.html)")]


@app.command()
def inspect(folder: Folder = Path()) -> None:
    """Show what a folder holds: which files, when, which reader, what is odd."""
    from .show import show_survey
    from .survey import survey

    show_survey(survey(folder), _terminal().console)


@app.command()
def init(folder: Folder = Path()) -> None:
    """Write a commented recipe, beamtime.toml, from what a folder holds."""
    from .draft import write_draft
    from .show import show_survey

    path, found = write_draft(folder)
    terminal = _terminal()
    show_survey(found, terminal.console)
    terminal.say(f"wrote {path}: fill in what it asks for, then 'operando run {path.parent}'")


@app.command()
def check(recipe: RecipePath = Path()) -> None:
    """Hold a recipe against its files, without computing anything."""
    from .check import check as check_files
    from .recipe import load

    loaded = load(recipe)
    check_files(loaded)
    counts = ", ".join(f"{series.node}: {len(loaded.files(series))} files" for series in loaded.series)
    _terminal().say(f"{loaded.path}: no problems. {counts}")


@app.command()
def run(
    recipe: RecipePath = Path(),
    cluster: ClusterPlace = None,
    profile: ClusterPage = None,
) -> None:
    """Read, link and process every scan into the store, and write the report. Runs resume."""
    with _imports():
        from .cluster import started
        from .recipe import load
        from .run import run as run_recipe

    loaded, terminal = load(recipe), _terminal()
    with started(cluster, loaded.cluster, terminal, profile) as workers:
        summary = run_recipe(loaded, terminal, workers)
    _show_summary(summary)
    raise typer.Exit(summary.exit_code)


@app.command()
def watch(  # noqa: PLR0917
    recipe: RecipePath = Path(),
    settle: Annotated[float, typer.Option(min=0, help=_SETTLE)] = 0.5,
    patience: Annotated[float, typer.Option(min=0, help=_PATIENCE)] = 60.0,
    report_every: Annotated[float, typer.Option(min=0, help="s between two reports, at least")] = 60.0,
    cluster: ClusterPlace = None,
    profile: ClusterPage = None,
) -> None:
    """Run a recipe while its files arrive: scans are in the store within seconds. Ctrl-C ends it, a new start resumes.

    It lists the folders and looks at sizes and times of change, so network shares will do. A log that grows is read
    again, and stored scans are linked to it anew; a scan that broke off is stored as partial, and read again when it is
    complete.
    """
    with _imports():
        from rich.console import Console

        from .cluster import started
        from .recipe import load
        from .watch import Pace
        from .watch import watch as watch_recipe
        from .watch_view import WatchView

    pace, view, loaded = Pace(settle, patience, report_every), WatchView(Console()), load(recipe)
    with started(cluster, loaded.cluster, view, profile) as workers:
        summary = watch_recipe(loaded, view, pace, cluster=workers)
    _show_summary(summary)
    raise typer.Exit(summary.exit_code)


@app.command()
def report(
    store: Annotated[Path, typer.Argument(help="a store")],
    out: Annotated[
        Path | None, typer.Argument(help="the page to write; by default report.html beside the store")
    ] = None,
) -> None:
    """Write the report of a store."""
    import operando

    from . import report as page
    from .commit import one_line_errors
    from .recipe_tables import is_page

    out = out or store.parent / "report.html"
    if not is_page(out):
        raise OperandoError(f"{out}: expected a page to write, ending in .html; nothing else is overwritten")
    with operando.open(store) as tree, one_line_errors(out):
        _terminal().say(f"wrote {page.write(tree, out)}")


@app.command()
def view(
    store: Annotated[Path, typer.Argument(help="a store, or a node in it, such as cell.zarr/xtm/composite")],
) -> None:
    """Show the volumes, stacks of images and maps of a store in napari."""
    from .view import viewer

    viewer()(store)


@app.command()
def export(  # noqa: PLR0917
    store: Annotated[Path, typer.Argument(help="a store")],
    out: Annotated[
        Path | None, typer.Argument(help="the file, or the folder for several; by default as the store")
    ] = None,
    kind: Annotated[str, typer.Option("--format", "-f", help=_FORMATS)] = "netcdf",
    node: Annotated[list[str] | None, typer.Option(help="only this node, such as xas/Ni_K; may be repeated")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that are there")] = False,
    sample: Annotated[str | None, typer.Option(help="the sample's name (nexus)")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--set", help="PATH=TEXT fills a field that NeXus requires; may be repeated")
    ] = None,
    variable: Annotated[list[str] | None, typer.Option(help="only this volume, such as label (nexus)")] = None,
) -> None:
    """Write a store, or nodes of it, for other programs, or its figures for print."""
    import operando

    from .export import Request
    from .export import export as write

    pairs = [text.partition("=") for text in fields or ()]
    wrong = [f"{path}{between}{text}" for path, between, text in pairs if not (path and text)]
    if wrong:
        raise OperandoError(f"--set: expected PATH=TEXT, such as sample/name='cell 7', got {wrong[0]!r}")
    terminal = _terminal()
    with operando.open(store) as tree:
        request = Request(
            tree,
            store,
            nodes=node or (),
            overwrite=force,
            sample=sample,
            texts={path: text for path, _, text in pairs},
            variables=variable or (),
        )
        paths, notes = write(request, kind, out)
    for note in notes:
        terminal.warn(note)
    several = len(paths) > _LISTED
    for path in paths[: 0 if several else None]:
        terminal.say(f"wrote {path}")
    if several:
        terminal.say(f"wrote {len(paths)} files to {paths[0].parent}")


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="a folder to be made")],
    size: Annotated[str, typer.Option(help="small or full")] = "small",
    seed: Annotated[int | None, typer.Option(min=0, help="another seed gives other noise")] = None,
    changes: Annotated[Path | None, typer.Option(help="TOML that changes numbers of example_scans/cell.toml")] = None,
) -> None:
    """Write the beamtime folder of a simulated cell whose every number is known."""
    from operando.example_scans import SEED
    from operando.example_scans import simulate as write_folder

    from .toml_text import read_toml

    overrides = None if changes is None else read_toml(changes, "a file of changes")[1]
    written = write_folder(folder, size=size, seed=SEED if seed is None else seed, overrides=overrides)
    _terminal().say(f"wrote {written}")


@app.command()
def demo(folder: Annotated[Path, typer.Argument(help="a folder for the results")] = Path("operando-demo")) -> None:
    """Run the whole pipeline on the example scans and compare it with the truth."""
    from .demo import run_demo

    summary = run_demo(folder, _terminal())
    _show_summary(summary)


@contextmanager
def _imports() -> Iterator[None]:
    """Import what lasts without looking through it for garbage, now and later: that takes a sixth of the time."""
    before = gc.get_threshold()
    # Not disabled: dask notes when it is imported whether garbage is collected, and goes back to that over and over.
    gc.set_threshold(_NEVER, *before[1:])
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*before)


def _terminal() -> Terminal:
    from rich.console import Console

    from .progress import Terminal

    return Terminal(Console())


def _show_summary(summary: Summary) -> None:
    terminal = _terminal()
    scans = ", ".join(f"{node}: {count} scan{'s' * (count != 1)}" for node, count in summary.scans.items())
    terminal.say(f"{scans or 'no scans'} ({summary.new} new, {summary.flagged} flagged) in {summary.seconds:.1f} s")
    if summary.failed:
        from .report.parts import not_done

        lost = not_done(summary.failed).replace("\u00a0", " ")
        terminal.warn(f"{lost}: named above and in the report")
    terminal.say(f"store:  {summary.store}")
    terminal.say(f"report: {summary.report}")


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Tell what readers warn of in one line, without the place in the code."""
    with warnings.catch_warnings():
        default = warnings.showwarning

        def show(  # noqa: PLR0917
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, OperandoWarning):
                print(f"operando: {message}", file=sys.stderr)  # noqa: T201
            else:
                default(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    try:
        with _plain_warnings():
            app()
    except OperandoError as error:
        for line in str(error).splitlines():
            print(f"operando: {line}", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE)
