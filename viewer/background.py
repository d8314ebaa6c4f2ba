"""Long work beside the interface: on a thread of its own, with progress, a way to cancel it, and errors told."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from io import StringIO
from typing import Any, Literal, TypeVar

import dask
from napari.utils.notifications import show_error, show_warning
from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QCoreApplication, QObject, Qt, Signal

from operando.errors import OperandoError, OperandoWarning

Item = TypeVar("Item")
State = Literal["waiting", "working", "done", "failed", "canceled"]

_PAUSE = 0.1
"""Seconds between two reports of progress, at least."""

_here = threading.local()


class Canceled(BaseException):
    """The work was canceled; no ``Exception``, so that nothing on its way takes it for an error of its own."""


class Work(QObject):
    """One call of a function on a thread: what becomes of it, as signals in the thread of the interface.

    Canceling ends the work at the next place where it can be left: before the next chunk of a lazy array
    (:mod:`dask`), and between the items of :func:`steps`. A chunk that is being computed, and a compiled kernel, such
    as the solution for one axis of a tortuosity factor, run to their end; the interface is free meanwhile, and what
    they give is thrown away. Nothing is left half done: layers and recipes change only after the work is complete.
    """

    done = Signal(object)
    """What the function returned."""
    failed = Signal(str)
    """The text of the :class:`~operando.errors.OperandoError`, which has been shown as a notification."""
    progressed = Signal(int, int)
    """Chunks or items done, and how many there are."""
    ended = Signal()
    """After ``done`` or ``failed``, or alone if it was canceled."""
    _told = Signal(str, object)

    def __init__(self, what: str, then: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.what, self._then = what, then
        self.state: State = "waiting"
        self._canceled = threading.Event()
        self._last = 0.0
        self._told.connect(self._receive, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        """Whether it waits or works."""
        return self.state in {"waiting", "working"}

    def cancel(self) -> None:
        """Let the work end at the next place where it can be left."""
        self._canceled.set()

    def check(self) -> None:
        """Leave the work if it was canceled.

        Raises
        ------
        Canceled
            If so.
        """
        if self._canceled.is_set():
            raise Canceled

    def tell(self, done: int, total: int) -> None:
        """Report progress, not more often than a person sees."""
        now = time.monotonic()
        if now - self._last > _PAUSE or done == total:
            self._last = now
            self._told.emit("progress", (done, total))

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Call the function; on the thread of the work."""
        _here.work = self
        try:
            self.check()
            self._told.emit("working", None)
            with _watched():
                found = function(*args, **keywords)
            self.check()
            self._told.emit("done", found)
        except Canceled:
            self._told.emit("canceled", None)
        except Exception as error:
            self._told.emit("canceled" if self._canceled.is_set() else "failed", error)
        finally:
            _here.work = None

    def _receive(self, kind: str, value: Any) -> None:
        if kind == "progress":
            self.progressed.emit(*value)
            return
        if kind == "warning":
            show_warning(value)
            return
        self.state = "canceled" if kind == "done" and self._canceled.is_set() else kind  # type: ignore[assignment]
        if self.state == "working":
            return
        try:
            with told():
                self._finish(value)
        except RuntimeError as error:
            # A widget that was closed meanwhile wants no results.
            if "already deleted" not in str(error):
                raise
        finally:
            self.ended.emit()
            _running.discard(self)

    def _finish(self, value: Any) -> None:
        if self.state == "done":
            if self._then is not None:
                self._then(value)
            self.done.emit(value)
        elif self.state == "failed":
            self.failed.emit(str(value))
            raise value


_running: set[Work] = set()


def start(
    what: str,
    function: Callable[..., Any],
    *args: Any,
    done: Callable[[Any], Any] | None = None,
    quiet: bool = False,
    **keywords: Any,
) -> Work:
    """Call a function on a thread and return its :class:`Work` at once.

    Parameters
    ----------
    what
        What is being done, as the activity dock of napari shows it beside a bar and a button that cancels it.
    function
        Of floor 1 or a few lines around it; it touches neither layers nor widgets. What it computes lazily shows
        progress chunk by chunk, what it loops over with :func:`steps` item by item.
    done
        Called with what the function returned, in the thread of the interface.
    quiet
        For previews: on another thread than long work, and without a bar.

    Notes
    -----
    Long works wait for each other, so that they share neither memory nor kernels. An ``OperandoError`` or an
    ``OperandoWarning`` becomes a notification with the line that the command line would print; any other error is
    raised in the thread of the interface, where napari shows it with its place in the code.
    """
    _listen()
    work = Work(what, done)
    _running.add(work)
    if not quiet:
        _show(work)
    _lane(quiet).submit(work.run, function, args, keywords)
    return work


def steps(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and let the work that this is part of, if any, show progress and end between two of them."""
    work: Work | None = getattr(_here, "work", None)
    known = list(items)
    for number, item in enumerate(known):
        if work is not None:
            work.check()
            work.tell(number, len(known))
        yield item
    if work is not None:
        work.check()


class told:  # noqa: N801
    """Turn a mistake of the user into a notification with its one line; for what widgets do in their own thread."""

    def __enter__(self) -> None:
        """Begin to listen."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        """Tell a mistake; other errors go on."""
        if isinstance(error, OperandoError):
            show_error(str(error))
        return isinstance(error, OperandoError)


def cancel_all() -> None:
    """Cancel whatever runs or waits."""
    for work in list(_running):
        work.cancel()


def _show(work: Work) -> None:
    """Show a work in the activity dock for as long as it takes."""
    bar = _Bar(total=0, desc=work.what, cancel_callback=work.cancel, file=StringIO())

    def moved(number: int, total: int) -> None:
        bar.total = total
        bar.update(number - bar.n)

    work.progressed.connect(moved)
    work.ended.connect(bar.close)


class _Bar(cancelable_progress):
    """A bar whose button cancels at once, not between items that napari counts."""

    def cancel(self) -> None:
        super().cancel()
        self.cancel_callback()


@cache
def _lane(quiet: bool) -> ThreadPoolExecutor:
    """Return the thread of previews, or that of long work."""
    application = QCoreApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(cancel_all)
    return ThreadPoolExecutor(1, "operando preview" if quiet else "operando work")


_turn = threading.Lock()
_watchers = 0
_entered = ExitStack()


@contextmanager
def _watched() -> Iterator[None]:
    """See the chunks that works compute; entered once for all that run together."""
    global _watchers  # noqa: PLW0603
    with _turn:
        _watchers += 1
        if _watchers == 1 and dask.config.get("scheduler", None) is None:
            _entered.enter_context(dask.config.set(scheduler=_scheduled))
    try:
        yield
    finally:
        with _turn:
            _watchers -= 1
            if _watchers == 0:
                _entered.close()


def _listen() -> None:
    """Send warnings that a work gives rise to where its errors go, others where they went before.

    What is set here stays: warnings are set for all threads, and one that put back what it found would put back what
    another has meanwhile let go of.
    """
    warnings.filterwarnings("always", category=OperandoWarning)
    usual = warnings.showwarning
    if getattr(usual, "hears_works", False):
        return

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        work: Work | None = getattr(_here, "work", None)
        if work is not None and issubclass(category, OperandoWarning):
            work._told.emit("warning", str(message))
        else:
            usual(message, category, *place, **more)

    show.hears_works = True  # type: ignore[attr-defined]
    warnings.showwarning = show


def _scheduled(graph: Any, keys: Any, **keywords: Any) -> Any:
    """Compute a graph on dask's threads; that of a work chunk by chunk under its eyes."""
    from dask import threaded

    from operando.tomo.blocks import threads_at_hand

    work: Work | None = getattr(_here, "work", None)
    if work is None:
        return threaded.get(graph, keys, **keywords)

    def before(_key: Any, _graph: Any, _state: Any) -> None:
        work.check()

    def after(_key: Any, _value: Any, _graph: Any, state: Any, _thread: Any) -> None:
        finished = len(state["finished"])
        work.tell(finished, finished + sum(len(state[kind]) for kind in ("ready", "waiting", "running")))

    workers = keywords.pop("num_workers", None) or threads_at_hand()
    return threaded.get(graph, keys, callbacks=[(None, None, before, after, None)], num_workers=workers, **keywords)
