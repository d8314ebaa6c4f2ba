"""Hold a recipe against the files it names, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from operando import cyclers
from operando.errors import OperandoError, RecipeError
from operando.folders import within

from .processing import Processing, told_apart
from .recipe import Recipe
from .recipe_tables import Log, Series
from .steps import STEPS, TECHNIQUES

if TYPE_CHECKING:
    import xarray as xr

_TRIES = 20
_ZONE = "required, since the files state local times; give their zone, such as 'Europe/Paris'"


def check(recipe: Recipe, *, arriving: bool = False) -> None:
    """Raise every problem that stands between the recipe and a run.

    While files are still ``arriving``, it is none that some are missing or that none of the first can be read.

    Parameters
    ----------
    recipe
        What :func:`~operando.pipelines.recipe.load` returned.
    arriving
        Whether files may still arrive, as for a watch, so that none is missed yet.

    Raises
    ------
    RecipeError
        With one line a problem. A single bad file is none: a run lists it and goes on.
    """
    found = [f"{recipe.path}: {text}" for text in dict.fromkeys(problems(recipe, arriving=arriving))]
    if found:
        raise RecipeError(found)


def problems(recipe: Recipe, *, arriving: bool = False) -> Iterator[str]:
    """Yield what is wrong, each with its key.

    Parameters
    ----------
    recipe
        What :func:`~operando.pipelines.recipe.load` returned.
    arriving
        Whether files may still arrive, as for a watch, so that none is missed yet.

    Yields
    ------
    str
        One sentence a problem, with its key or file.
    """
    if recipe.echem is None and not recipe.series:
        yield "expected [echem] or a [[series]], got neither; 'operando init' drafts them"
    yield from _output_problems(recipe)
    if recipe.echem is not None:
        yield from _log_problems("echem", recipe, recipe.echem, arriving)
        if recipe.zone(recipe.echem) is None:
            yield f"experiment.timezone: {_ZONE}"
    for name, clock in recipe.clocks.items():
        if clock.shared_channel is not None:
            key = f"clocks.{name}.shared_channel"
            found = [*_log_problems(key, recipe, clock.shared_channel, arriving)]
            if not (found or arriving) and recipe.zone(clock.shared_channel) is not None:
                found = [*_channel_problems(key, recipe, clock.shared_channel)]
            yield from found
    for number, series in enumerate(recipe.series):
        key = f"series.{number} ({series.node})"
        found = [*_log_problems(key, recipe, series, arriving)]
        yield from found or _scan_problems(key, recipe, series, arriving)


def _output_problems(recipe: Recipe) -> Iterator[str]:
    """Yield what would stop the writing, which comes last: places that do not exist or are something else."""
    for key, path in (("store", recipe.store), ("report", recipe.report)):
        try:
            is_folder, is_file, is_reached = path.is_dir(), path.is_file(), path.parent.is_dir()
        except OSError as error:
            yield f"experiment.{key}: expected a place to write to, got {path.name[:60]!r} ... ({error.strerror})"
            continue
        if not is_reached:
            yield f"experiment.{key}: expected an existing folder to write {path.name} to, got {path.parent}"
        if key == "report" and is_folder:
            yield f"experiment.report: expected a page to write, got the folder {path}"
        if key == "store" and is_file:
            yield f"experiment.store: expected a store to write, got the file {path}"


def _channel_problems(key: str, recipe: Recipe, channel: Log) -> Iterator[str]:
    """Yield what stands in the way of the voltage's copy, without which no scan has a place in the log."""
    for path in recipe.files(channel):
        try:
            with within(recipe.folders):
                cyclers.read(path, timezone=recipe.zone(channel), reader=channel.reader, **channel.read)
        except (OperandoError, TypeError) as error:
            yield f"{key}: {error}"


def _log_problems(key: str, recipe: Recipe, log: Log, arriving: bool) -> Iterator[str]:
    if not (arriving or recipe.files(log)):
        yield f"{key}.files: expected files, but nothing matches {', '.join(map(repr, log.files))} in {recipe.folder}"
    names = [fmt.name for fmt in cyclers.FORMATS]
    if not isinstance(log, Series) and log.reader is not None and log.reader not in names:
        yield f"{key}.reader: expected one of {', '.join(names)}, got {log.reader!r}"


def _scan_problems(key: str, recipe: Recipe, series: Series, arriving: bool) -> Iterator[str]:
    """Yield a wrong column map, a missing zone, a step without its signal; nothing if one scan goes through.

    Several scans are tried, since the first may be the one that was broken off.
    """
    work, unread, refused = Processing(recipe, series), [], []
    yield from (f"{key}: expected the file {path}, which a step names; got none" for path in work.missing_files())
    for path in recipe.files(series)[:_TRIES]:
        try:
            with told_apart():
                scan = work.read(path, trial=True)
        except (OperandoError, TypeError) as error:
            unread.append(str(error))
            continue
        if recipe.echem is not None and "local_time_start" in scan.attrs:
            yield f"experiment.timezone: {_ZONE}"
            return
        with told_apart():
            refusal = _refusal(scan, work)
        if not refusal:
            return
        refused.append(refusal)
    if refused:
        yield f"{key}, {refused[0]}"
    elif not arriving:
        yield f"{key}: none of the first {len(unread)} files can be read: {unread[0]}"


def _refusal(scan: xr.Dataset, work: Processing) -> str:
    """Return which step refuses a scan, and why; empty if none does. Stacks of images are not tried: they take long."""
    try:
        if not TECHNIQUES[work.series.technique].referenced:
            processed = work.processed(scan)
            for _, section in work.over_all():
                if STEPS[work.series.technique][section.use].tried:
                    work.over_these(section, processed, scan)
        elif work.series.references is not None:
            _ = work.references
    except OperandoError as error:
        return str(error)
    return ""
