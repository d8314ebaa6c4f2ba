"""The choice of a series among those of the stores that are open in the viewer, or in the widget alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from operando.errors import OperandoError

from .background import start
from .layers import about
from .stored_series import StoredSeries


class SeriesChoice(QWidget):
    """Series of some kind; those of a store come in as soon as a layer of it is shown, or by *Open store*.

    Parameters
    ----------
    viewer
        The viewer whose layers are looked at.
    find
        Returns the series of a store; called on a thread.
    missing
        What is expected of a store that is opened here and has none, and what is to be done.
    shown
        Returns further series, which layers show; they come first.
    """

    changed = Signal()

    def __init__(
        self,
        viewer: Any,
        find: Callable[[Path], Iterable[StoredSeries]],
        missing: tuple[str, str],
        shown: Callable[[], Sequence[StoredSeries]] | None = None,
    ) -> None:
        super().__init__()
        self.viewer, self._find, self._missing, self._shown = viewer, find, missing, shown
        self.known: list[StoredSeries] = []
        self._found: list[StoredSeries] = []
        self._opened: set[Path] = set()
        self.box, self.opening = QComboBox(), QPushButton("Open store ...")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.opening)
        self.box.currentIndexChanged.connect(lambda _at: self.changed.emit())
        self.opening.clicked.connect(self._ask)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self.refresh)

    @property
    def chosen(self) -> Any:
        """The series that is chosen; None if there is none."""
        at = self.box.currentIndex()
        return self.known[at] if 0 <= at < len(self.known) else None

    @chosen.setter
    def chosen(self, series: StoredSeries) -> None:
        self.box.setCurrentIndex(self.known.index(series))

    def refresh(self, _event: object = None) -> None:
        """See which stores are open, and what layers show."""
        if not isalive(self):
            return
        self._list()
        known = [about(one) for one in self.viewer.layers]
        for source in dict.fromkeys(one["source"] for one in known if one.get("is_store")):
            if Path(source) not in self._opened:
                self.open(Path(source), quiet=True)

    def open(self, store: Path, *, quiet: bool = False) -> None:
        """Add the series of a store to the choice.

        Parameters
        ----------
        store
            The folder of the store.
        quiet
            Do not complain where it has none.
        """
        store = store.resolve()
        self._opened.add(store)

        def take(found: list[StoredSeries]) -> None:
            if not isalive(self):
                return
            if not found and not quiet:
                expected, remedy = self._missing
                raise OperandoError(f"{store}: expected {expected}, got none; {remedy}")
            self._found += [one for one in found if one not in self._found]
            self._list()

        start("store", lambda: list(self._find(store)), done=take, quiet=True)

    def _list(self) -> None:
        """List what is known; the chosen one stays if it is still there."""
        before = self.chosen
        known = [*(self._shown() if self._shown else ()), *self._found]
        if known == self.known:
            return
        self.box.blockSignals(True)
        self.box.clear()
        self.known = known
        self.box.addItems([one.title for one in known])
        self.box.setCurrentIndex(known.index(before) if before in known else min(0, len(known) - 1))
        self.box.blockSignals(False)
        if self.chosen != before:
            self.changed.emit()

    def _ask(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Store")
        if folder:
            self.open(Path(folder))
