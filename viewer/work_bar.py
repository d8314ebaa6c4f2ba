"""A row of a widget that shows the work it has started: how far it is, and a button that cancels it."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from .background import Work

_ENDS = {"done": "", "failed": "not done, see the notification", "canceled": "canceled"}


class WorkBar(QWidget):
    """Progress of one work at a time; the widgets given to it rest meanwhile."""

    def __init__(self, *resting: QWidget) -> None:
        super().__init__()
        self._resting = resting
        self.work: Work | None = None
        self.bar, self.button, self.said = QProgressBar(), QPushButton("Cancel"), QLabel()
        self.said.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, 1)
        row.addWidget(self.said, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self.cancel)
        self._set(running=False)

    @property
    def running(self) -> bool:
        """Whether a work is under way."""
        return self.work is not None and self.work.running

    def follow(self, work: Work) -> Work:
        """Show a work until it ends, and return it."""
        self.work = work
        self.bar.setRange(0, 0)
        self.bar.setFormat(f"{work.what} %p %")
        self.said.clear()
        work.progressed.connect(self._move)
        work.ended.connect(self._end)
        self._set(running=True)
        return work

    def cancel(self) -> None:
        """Cancel the work that is shown."""
        if self.work is not None and self.work.running:
            self.work.cancel()
            self.button.setEnabled(False)
            self.button.setText("Canceling ...")

    def say(self, text: str) -> None:
        """Show a line in the place of the bar, as long as no work runs."""
        self.said.setText(text)

    def _move(self, number: int, total: int) -> None:
        self.bar.setRange(0, total)
        self.bar.setValue(number)

    def _end(self) -> None:
        work, self.work = self.work, None
        self._set(running=False)
        if work is not None and not self.said.text():
            self.said.setText(_ENDS.get(work.state, ""))

    def _set(self, *, running: bool) -> None:
        self.bar.setVisible(running)
        self.button.setVisible(running)
        self.button.setEnabled(running)
        self.button.setText("Cancel")
        self.said.setVisible(not running)
        for widget in self._resting:
            widget.setEnabled(not running)
