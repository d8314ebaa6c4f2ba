"""Follow a growing folder: what arrives is in the store within seconds, by the machinery of a run.

The store is open to one writer, this one, until the watch ends. New files are appended as they are closed; what
replaces something that is stored (scans of files that changed, the log and what it links, steps over all scans) is
brought in step every few seconds, so that those who read the store meanwhile are not overtaken.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from types import FrameType
from typing import Any

import dask.threaded
import numpy as np

from operando.errors import OperandoError, StoreError
from operando.store import read_root

from .arrivals import Arrivals, state_of
from .check import check
from .cluster import Cluster
from .electrochemistry import Electrochemistry, gather
from .lock import LockLostError
from .progress import Silent
from .recipe import Recipe
from .report_refresh import ReportRefresh
from .run import Run, Summary
from .series_growth import BATCH, SeriesGrowth
from .watch_view import SeriesStatus, Status, WatchView
from .writer import Writer

RENEW = 10.0
"""Seconds between two times that what is stored is replaced; readers have as long to read what they have open."""
_SHARE = 10.0
"""What takes a second is not done again for so many."""
_LOOK = 0.2
"""Seconds between two looks at the folders, at least."""
_FIRST_RENEWAL = 1.0
"""Seconds for which a watch that resumes takes up what has arrived meanwhile, before it replaces what is stored."""
_RETRY = 5.0
"""Seconds after which a store that could not be written is tried again."""


@dataclass(frozen=True)
class Pace:
    """Seconds that a watch waits.

    ``settle``: for which size and times of a file stay the same before it is read; ``patience``: for which a file that
    breaks off is waited for; ``report_every``: between two reports; ``renew``: between two replacements of what is
    stored.
    """

    settle: float = 0.5
    patience: float = 60.0
    report_every: float = 60.0
    renew: float = RENEW


class Stop(threading.Event):
    """Set to end a watch, ``at_once`` without a last report."""

    at_once = False


def watch(
    recipe: Recipe,
    view: WatchView,
    pace: Pace | None = None,
    stop: Stop | None = None,
    cluster: Cluster | None = None,
) -> Summary:
    """Follow the files of a recipe until ``stop`` is set, as Ctrl-C and SIGTERM do.

    Files that are there already are taken up first; a watch that was killed is resumed so. A file counts as closed when
    its size and times stay the same for ``pace.settle`` seconds. One that breaks off or cannot be read is waited for
    ``pace.patience`` seconds, then stored as partial and flagged, or listed in the store's ``failed``; when it changes
    later, it is read again. Spectra wait while a stack of images or a volume is worked on.

    Parameters
    ----------
    recipe
        What :func:`~operando.pipelines.recipe.load` returned.
    view
        What shows how far it is.
    pace
        How long it waits for what.
    stop
        Set it to end the watch.
    cluster
        Workers for stacks of images and volumes; this process by default.

    Returns
    -------
    Summary
        What was stored, flagged and missed.

    Raises
    ------
    RecipeError
        If the recipe does not fit the files that are there.
    StoreError
        If another run writes the store, takes it over, or it cannot be opened.
    """
    pace, started = pace or Pace(), monotonic()
    if not _checked_before(recipe):
        check(recipe, arriving=True)
    watching = Watch(recipe, view, pace, stop or Stop(), cluster)
    # Said, and not by name, so that dask does not import what it would look for a cluster with.
    with ended_by_signals(watching.stop), dask.config.set(scheduler=dask.threaded.get):
        watching.run()
    watching.summary.seconds = monotonic() - started
    return watching.summary


def _checked_before(recipe: Recipe) -> bool:
    """Whether the store was written by this very recipe: a watch that resumes need not hold it against files again."""
    try:
        return bool(read_root(recipe.store).attributes.get("recipe") == recipe.text)
    except StoreError:
        return False


@dataclass
class Watch:
    """One watch of a recipe."""

    recipe: Recipe
    view: WatchView
    pace: Pace
    stop: Stop
    cluster: Cluster | None = None
    state: str = "watching"
    _renewed: float = -np.inf
    _next_renewal: float = -np.inf
    _next_look: float = -np.inf
    _seen: tuple[Any, ...] = ()
    _log: list[Any] | None = None
    _version: int = 0
    _troubles: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Look at nothing yet."""
        self.arrivals = Arrivals(self.recipe, self.pace.settle, self.pace.patience)
        self.report = ReportRefresh(self.recipe.store, self.recipe.report, self.pace.report_every, self.view.warn)
        self.summary = Summary(self.recipe.store, self.recipe.report)
        self._recipe_state = state_of(self.recipe.path)

    def run(self) -> None:
        """Watch until told to stop."""
        with self.view.shown(), Writer(self.recipe.store, {"experiment": self.recipe.title}) as store:
            looked = monotonic()
            self.arrivals.look()
            echem = self._first_log()
            if echem is None:
                return
            run = Run(self.recipe, echem, store, self.summary, _Quiet(self.view), self.arrivals, self.cluster)
            self._recall_failures(run)
            if self._joins_what_is_stored(run):
                self._next_renewal = monotonic() + _FIRST_RENEWAL
            # Reads what the store holds while files are waited for to settle.
            self._show(run)
            self.stop.wait(max(0.0, looked + self.pace.settle - monotonic()))
            try:
                while not self.stop.is_set():
                    new = self._guarded(run)
                    self._show(run)
                    if not new:
                        self.stop.wait(max(_LOOK, self._next_look - monotonic()))
                if not self.stop.at_once:
                    self._conclude(run)
            finally:
                self.report.stop()

    def _first_log(self) -> Electrochemistry | None:
        """Return the electrochemistry as soon as some of it can be read: no scan has a place without it."""
        while not self.stop.is_set():
            self._log = self.arrivals.log_states()
            try:
                return gather(self.recipe, _Quiet(self.view))
            except OperandoError as error:
                self._trouble(f"waiting for the electrochemistry: {error}")
                self.view.show(Status(str(self.recipe.store), state="waiting for the electrochemistry"))
                self.stop.wait(1.0)
        return None

    def _joins_what_is_stored(self, run: Run) -> bool:
        """Whether new scans can be appended to the store as it is: the same recipe, and a log of the same columns."""
        log, stored = run.echem.tables.get("echem"), run.store.variables("echem")
        columns = {str(name) for name in log.variables} if log is not None else set()
        return bool(stored) and columns == stored and all(growth.made_as_now() for growth in run.series)

    def _recall_failures(self, run: Run) -> None:
        """Take up which files were refused before, so that the list in the store never shrinks while they still are."""
        known = [one for one in json.loads(run.store.attrs().get("failed", "[]")) if one["source"]]
        self.arrivals.judge_at_once(self.recipe.folder / one["source"] for one in known)
        for growth in run.series:
            own = (one for one in known if one["node"] == growth.work.series.node)
            growth.refused = {one["source"]: (one["reason"], "") for one in own}

    def _guarded(self, run: Run) -> int:
        """Do what there is to do; whatever goes wrong is told, and tried again a little later."""
        try:
            new = self._pass(run)
        except LockLostError:
            raise
        except Exception as error:
            self._trouble(str(error) if isinstance(error, OperandoError) else f"{type(error).__name__}: {error}")
            self.stop.wait(_RETRY)
            return 0
        self._troubles.clear()
        return new

    def _pass(self, run: Run) -> int:
        """Look once, bring what is stored in step if that is due, append what is new; return how many scans are."""
        self._look()
        before = run.store.commits
        if monotonic() >= self._next_renewal and not self._is_read_twice():
            self._renew(run)
        new = 0
        for growth in run.series:
            if not self.stop.is_set():
                # One scan of images takes as long as many spectra, which do not wait for the next.
                new += run.grow(growth, 1 if growth.technique.referenced else BATCH)
                self._look()
        run.publish_attrs()
        self._version += run.store.commits - before
        self.report.tick(self._version)
        return new

    def _look(self) -> None:
        """Look at the folders, but for a fifth of the time at most: a file server may be slow to list them."""
        began = monotonic()
        if began >= self._next_look:
            self.arrivals.look()
            ended = monotonic()
            self._next_look = ended + max(_LOOK, 4 * (ended - began))

    def _conclude(self, run: Run) -> None:
        """Bring all that is stored in step with the log and the files as they are now, and write the report of it."""
        self.state = "writing the last report; Ctrl-C again leaves it out"
        self._show(run)
        self.report.stop()
        before = run.store.commits
        self.arrivals.look()
        self._renew(run)
        run.publish_attrs()
        self._version += run.store.commits - before
        self.report.finish(self._version)

    def _is_read_twice(self) -> bool:
        """Whether a report is being written from what was replaced once since it began."""
        return self.report.running and self._renewed >= self.report.started

    def _renew(self, run: Run) -> None:
        self._watch_recipe()
        began, log = monotonic(), self.arrivals.log_states()
        images = sum(len(growth.held.images) for growth in run.series)
        seen = self.arrivals.changes, run.store.commits, log
        if seen == self._seen and not images:
            return
        if log != self._log:
            self._log = log
            try:
                run.echem = gather(self.recipe, _Quiet(self.view))
            except OperandoError as error:
                self._trouble(str(error))
        before = run.store.commits
        run.renew()
        for growth in run.series:
            growth.publish_over_all(run.echem)
        ended = monotonic()
        if run.store.commits != before:
            self._renewed = ended
        self._seen = () if self.arrivals.restless() else (self.arrivals.changes, run.store.commits, log)
        self._next_renewal = ended + max(self.pace.renew, _SHARE * (ended - began))

    def _watch_recipe(self) -> None:
        """Tell that the recipe has changed, once for each change: it may be half edited, so it is not taken up."""
        state = state_of(self.recipe.path)
        if state != self._recipe_state:
            self._recipe_state = state
            told = "the watch goes on with what it held at the start; end it and start it again to take the new one"
            self.view.warn(f"{self.recipe.path}: changed; {told}")

    def _trouble(self, text: str) -> None:
        """Tell what went wrong, once until something went well again."""
        if text not in self._troubles:
            self._troubles.add(text)
            self.view.warn(text)

    def _show(self, run: Run) -> None:
        state = "ending" if self.stop.is_set() and self.state == "watching" else self.state
        log = run.echem.tables.get("echem")
        told = f"log until {str(log['time'].values[-1])[:19]} UTC" if log is not None else ""
        series = [self._status(growth) for growth in run.series]
        report = "the report is being written" if self.report.running else ""
        self.view.show(Status(str(self.recipe.store), series, told, report, state))

    def _status(self, growth: SeriesGrowth) -> SeriesStatus:
        held, last = growth.held, ""
        if growth.latest is not None:
            source, values = str(growth.latest["source"].values), growth.latest.coords
            potential = float(values["potential"]) if "potential" in values else np.nan
            last = source + (f" at {potential:.3f} V" if np.isfinite(potential) else "")
        there = len(self.arrivals.of(growth.work.series)) + self.arrivals.waiting(growth.work.series)
        waiting = there - len(held.files) - len(growth.refused) - len(growth.unfinished)
        return SeriesStatus(
            growth.work.folder,
            len(held.sources),
            int(np.count_nonzero(held.flags)),
            max(0, waiting),
            len(growth.unfinished),
            len(growth.refused),
            last,
        )


class _Quiet(Silent):
    """Tells warnings only: a watch does the same over and over."""

    def __init__(self, view: WatchView) -> None:
        self._view = view

    def warn(self, text: str) -> None:
        """Tell one line about something odd."""
        self._view.warn(text)


@contextmanager
def ended_by_signals(stop: Stop) -> Iterator[None]:
    """Set ``stop`` on Ctrl-C, or on SIGTERM without a last report; a second Ctrl-C drops what is being done."""

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.at_once = number == signal.SIGTERM
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
