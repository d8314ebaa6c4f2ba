"""Objects: the table of cracks and other objects, tied to the labels that show where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from . import sliders
from .background import start, told
from .colors import direct_colormap
from .layers import about, array_of
from .object_tables import COLORED, KIND, NUMBER, PLACES, colors_by, table_of, tables_of
from .work_bar import WorkBar

_EMPTY = "Open a store with labels of objects."
_UNMEASURED = "The store has no table of these objects: measure them."


class ObjectTable(QAbstractTableModel):
    """A table of objects as Qt shows and sorts it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = pd.DataFrame()
        self._by: tuple[int, bool] | None = None

    def show(self, table: pd.DataFrame) -> None:
        """Show another table, sorted as the one before."""
        self.beginResetModel()
        self.table = self._sorted(table)
        self.endResetModel()

    def rowCount(self, _parent: QModelIndex | None = None) -> int:  # noqa: N802
        """How many objects there are."""
        return len(self.table)

    def columnCount(self, _parent: QModelIndex | None = None) -> int:  # noqa: N802
        """How many numbers there are of each."""
        return len(self.table.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a cell as text."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return _text(self.table.iat[index.row(), index.column()]) if role == Qt.ItemDataRole.DisplayRole else None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return what a column holds."""
        if role != Qt.ItemDataRole.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return str(self.table.columns[section])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self._by = column, order == Qt.SortOrder.AscendingOrder
        self.show(self.table)

    def _sorted(self, table: pd.DataFrame) -> pd.DataFrame:
        if self._by is None or not 0 <= self._by[0] < len(table.columns):
            return table
        name = table.columns[self._by[0]]
        return table.sort_values(name, ascending=self._by[1], kind="stable", na_position="last")


class Objects(QWidget):
    """The objects of the scan that is shown. A click on a row shows the object, a click on an object its row.

    Parameters
    ----------
    napari_viewer
        The viewer that shows the labels.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.labels, self.color, self.alone = QComboBox(), QComboBox(), QCheckBox("show only the chosen object")
        self.color.addItems(COLORED)
        self.measure, self.said = QPushButton("Measure objects"), QLabel(_EMPTY)
        self.model, self.view = ObjectTable(), QTableView()
        self.work = WorkBar(self.measure)
        self._tables: dict[str, tuple[xr.Dataset | None, xr.Dataset | None]] = {}
        self._usual: dict[str, Any] = {}
        self._painted: tuple[tuple[str, int], str] | None = None
        self._shown: tuple[str, int] | None = None
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def layer(self) -> Any:
        """The layer of labels; None if there is none."""
        return next((one for one in self.viewer.layers if one.name == self.labels.currentText()), None)

    @property
    def scan(self) -> int:
        """The scan that is shown, from 0."""
        layer = self.layer
        return sliders.place(self.viewer, layer, "scan") if sliders.has(layer, "scan") else 0

    def refresh(self, _event: object = None) -> None:
        """See which labels there are."""
        names = [one.name for one in self.viewer.layers if _are_objects(one)]
        if names != [self.labels.itemText(at) for at in range(self.labels.count())]:
            self.labels.clear()
            self.labels.addItems(names)
        self.load()

    def load(self, _event: object = None) -> None:
        """Load the tables of the chosen labels, unless they are there."""
        layer = self.layer
        self.measure.setEnabled(layer is not None)
        if layer is None:
            self.said.setText(_EMPTY)
            self.model.show(pd.DataFrame())
            return
        known = about(layer)
        if layer.name in self._tables or not known["is_store"]:
            self.update_table()
            return
        self._tables[layer.name] = (None, None)
        name, series = layer.name, sliders.series_of(layer)
        start("objects", tables_of, known["source"], series, quiet=True, done=lambda found: self._loaded(name, found))

    def update_table(self, _event: object = None) -> None:
        """Show the objects of the scan that is shown, in their colors."""
        layer = self.layer
        if layer is None:
            return
        objects, tracks = self._tables.get(layer.name, (None, None))
        if objects is None:
            self.said.setText(_UNMEASURED)
            self.model.show(pd.DataFrame())
            return
        wanted = layer.name, self.scan
        if wanted != self._shown:
            self._shown = wanted
            self.model.show(table_of(objects, tracks, self.scan))
        self.paint()

    def paint(self, _event: object = None) -> None:
        """Color the objects by a column of the table."""
        layer, by, table = self.layer, self.color.currentText(), self.model.table
        if layer is None or self._shown is None or self._painted == (self._shown, by):
            return
        self._painted = self._shown, by
        colors = colors_by(table, by)
        usual = self._usual.setdefault(layer.name, layer.colormap)
        layer.colormap = direct_colormap(colors) if colors else usual
        self.said.setText(f"{len(table)} objects in scan {self.scan + 1}{_scale(table, by) if colors else ''}")

    def choose(self, number: int) -> None:
        """Show an object: its label is chosen, the view moves to its middle."""
        layer, row = self.layer, self.model.table[self.model.table[NUMBER] == number].iloc[0]
        layer.selected_label = number
        for axis, column in zip("zyx", PLACES, strict=True):
            if sliders.has(layer, axis):
                at = sliders.axis(self.viewer, layer, axis)
                if at not in self.viewer.dims.displayed:
                    self.viewer.dims.set_point(at, float(row[column]))
        camera = self.viewer.scene.camera
        camera.center = (*camera.center[:-2], *row[list(PLACES[1:])].to_numpy(float))

    def start_measuring(self) -> None:
        """Measure the labels as they are, those that were painted included."""
        from operando import tomo

        name, array = self.layer.name, array_of(self.layer)
        tracks = self._tables.get(name, (None, None))[1]
        self.work.follow(
            start("Measure objects", tomo.regions, array, done=lambda found: self._loaded(name, (found, tracks)))
        )

    def _loaded(self, name: str, found: tuple[xr.Dataset | None, xr.Dataset | None]) -> None:
        self._tables[name] = found
        self._shown = self._painted = None
        self.update_table()

    def _row_chosen(self, *_changed: object) -> None:
        rows = self.view.selectionModel().selectedRows()
        if rows:
            with told():
                self.choose(int(self.model.table[NUMBER].iloc[rows[0].row()]))

    def _clicked(self, _viewer: Any, event: Any) -> None:
        layer = self.layer
        if layer is None or event.button != 1 or layer.mode not in ("pan_zoom", "pick") or not len(self.model.table):
            return
        value = layer.get_value(event.position, view_direction=event.view_direction,
                                dims_displayed=event.dims_displayed, world=True)  # fmt: skip
        number = value[1] if isinstance(value, tuple) else value
        rows = np.flatnonzero(self.model.table[NUMBER].to_numpy() == (number or -1))
        if rows.size:
            self.view.selectRow(int(rows[0]))

    def _show_alone(self, alone: bool) -> None:
        if self.layer is not None:
            self.layer.show_selected_label = alone

    def _lay_out(self) -> None:
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.view.verticalHeader().setVisible(False)
        self.said.setWordWrap(True)
        form = QFormLayout()
        form.addRow("labels", self.labels)
        form.addRow("color by", self.color)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.alone)
        column.addWidget(self.view, 1)
        column.addWidget(self.said)
        column.addWidget(self.measure)
        column.addWidget(self.work)

    def _connect(self) -> None:
        self.labels.currentTextChanged.connect(self.load)
        self.color.currentTextChanged.connect(self.paint)
        self.alone.toggled.connect(self._show_alone)
        self.measure.clicked.connect(self.start_measuring)
        self.view.selectionModel().selectionChanged.connect(self._row_chosen)
        self.viewer.mouse_drag_callbacks.append(self._clicked)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self.refresh)
        self.viewer.dims.events.current_step.connect(self.update_table)


def _are_objects(layer: Any) -> bool:
    """Whether a layer numbers objects in volumes: no mask, no phases."""
    known = about(layer)
    if layer._type_string != "labels" or not known or "z" not in known["array"].dims:
        return False
    return known["array"].dtype.kind in "iu" and "flag_meanings" not in known["array"].attrs


def _scale(table: pd.DataFrame, by: str) -> str:
    """Return what the colors mean."""
    known = table[by].dropna()
    if by == KIND or known.empty:
        return ""
    return f"; {by} from {_text(known.min())} (dark) to {_text(known.max())} (light)"


def _text(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%m-%d %H:%M}"
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124
        return "-"
    number = float(value)
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e6 else f"{number:.4g}"
