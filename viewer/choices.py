"""Parts that widgets share: the choice of a layer, and the step of a recipe for what was done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info
from qtpy.compat import isalive
from qtpy.QtCore import Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from operando.errors import OperandoError
from operando.pipelines.recipe import RECIPE_NAME

from .background import told
from .layers import about
from .recorded_steps import RecordedStep, write_steps


class LayerChoice(QComboBox):
    """A layer of some kinds among those of the viewer; the selected one of the viewer is taken over."""

    changed = Signal()

    def __init__(self, viewer: Any, kinds: Sequence[str], *, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.viewer, self._kinds, self._names = viewer, tuple(kinds), tuple(names)
        self._known: list[Any] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self.refresh)
        self.currentIndexChanged.connect(lambda _at: self.changed.emit())
        self.refresh()

    @property
    def layer(self) -> Any:
        """The layer that is chosen; None if there is none."""
        at = self.currentIndex()
        return self._known[at] if 0 <= at < len(self._known) else None

    @layer.setter
    def layer(self, layer: Any) -> None:
        self.setCurrentIndex(self._known.index(layer))

    def refresh(self, _event: object = None) -> None:
        """See which layers there are; the chosen one stays."""
        if not isalive(self):
            return
        before = self.layer
        found = [one for one in self.viewer.layers if type(one).__name__ in self._kinds and self._fits(one)]
        self.blockSignals(True)
        self.clear()
        self._known = found
        self.addItems([one.name for one in found])
        self.setCurrentIndex(found.index(before) if before in found else min(0, len(found) - 1))
        self.blockSignals(False)
        if self.layer is not before:
            self.changed.emit()

    def _fits(self, layer: Any) -> bool:
        return not self._names or about(layer).get("variable") in (*self._names, None)


class RecipeRow(QWidget):
    """What was done last as a step of a recipe: to be copied, or written into a recipe file."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[RecordedStep] = []
        self.node, self.recipe = "", Path()
        self.text, self.copying, self.writing = (
            QPlainTextEdit(),
            QPushButton("Copy"),
            QPushButton("Write into recipe ..."),
        )
        self.text.setReadOnly(True)
        self.text.setMaximumHeight(84)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setPlaceholderText("What you apply shows here as a step of a recipe.")
        buttons = QHBoxLayout()
        buttons.addWidget(self.copying)
        buttons.addWidget(self.writing)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.copying.clicked.connect(self.copy)
        self.writing.clicked.connect(self._ask)
        self._set()

    def record(self, layer: Any, *steps: RecordedStep) -> None:
        """Show what was done with a layer."""
        known = about(layer)
        self.record_for(steps, str(known.get("node", "")), Path(str(known.get("source", ""))))

    def record_for(self, steps: Sequence[RecordedStep], node: str, source: Path) -> None:
        """Show what was done with a node of a store; the recipe beside it is the first that is offered."""
        technique, _, rest = node.partition("/")
        self.node = rest.partition("/")[0] if technique == steps[0].technique else ""
        beside = source.parent / RECIPE_NAME
        self.recipe = beside if node and beside.is_file() else self.recipe
        self.steps = [step.checked() for step in steps]
        self.text.setPlainText("\n".join(step.toml() for step in self.steps).strip())
        self._set()

    def refuse(self, reason: str) -> None:
        """Show why what was done is no step."""
        self.steps = []
        self.text.setPlainText(reason)
        self._set()

    def copy(self) -> None:
        """Put the step on the clipboard."""
        QApplication.clipboard().setText(self.text.toPlainText() + "\n")

    def write(self, recipe: Path) -> None:
        """Write the steps into a recipe; what is wrong with it is told."""
        with told():
            path = write_steps(recipe, self.steps, self.node)
            self.recipe = path
            show_info(f"wrote {', '.join(step.use for step in self.steps)} into {path}")

    def _ask(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Recipe", str(self.recipe), "Recipes (*.toml)")
        if chosen:
            self.write(Path(chosen))

    def _set(self) -> None:
        for button in (self.copying, self.writing):
            button.setEnabled(bool(self.steps))


def numbers_in(text: str, what: str) -> list[float]:
    """Return the numbers of a line.

    Raises
    ------
    OperandoError
        If it holds anything else, or nothing.
    """
    try:
        found = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        found = []
    if not found:
        raise OperandoError(f"{what}: expected numbers with blanks between them, got {text!r}")
    return found
