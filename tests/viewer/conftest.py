"""A display, a napari in it, and the simulated cell to show."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo_run import demo_run

PACKAGES = (
    "xvfb libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 libdbus-1-3 libfontconfig1 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-randr0 libxcb-shape0 libxcb-xkb1"
)
"""Debian's packages without which Qt ends the whole process; those in the Makefile are the same."""
LIBRARIES = ("libEGL.so.1", "libGL.so.1", "libxkbcommon-x11.so.0", "libdbus-1.so.3", "libxcb-cursor.so.0",
             "libxcb-icccm.so.4", "libxcb-keysyms.so.1", "libxcb-image.so.0", "libxcb-render-util.so.0",
             "libxcb-randr.so.0", "libxcb-shape.so.0", "libxcb-xkb.so.1")  # fmt: skip


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A display for windows: one of its own for each process of the tests where Xvfb is there, else the user's."""
    pytest.importorskip("napari", reason="napari is not installed: pip install 'operando[viewer]'")
    pytest.importorskip("PySide6", reason="PySide6 is not installed: pip install 'operando[viewer]'")
    if not sys.platform.startswith("linux"):
        yield
        return
    missing = [name for name in LIBRARIES if not _loads(name)]
    if missing or (shutil.which("Xvfb") is None and not os.environ.get("DISPLAY")):
        what = ", ".join(missing) or "a display"
        pytest.skip(f"expected {what} for windows, got none; sudo apt-get install {PACKAGES}")
    if shutil.which("Xvfb") is None:
        yield
        return
    process, name = _virtual_display()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", name)
        patch.delenv("WAYLAND_DISPLAY", raising=False)
        yield
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _virtual_display() -> tuple[subprocess.Popen[bytes], str]:
    """Start Xvfb on a number that is free, which it tells through a pipe."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    assert number, "Xvfb ended before it had a display"
    return process, f":{number}"


@pytest.fixture(scope="session")
def application(display: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Qt's application, and napari with settings of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(tmp_path_factory.mktemp("napari") / "settings.yaml"))
        patch.setenv("MPLCONFIGDIR", str(tmp_path_factory.mktemp("matplotlib")))
        patch.setenv("QT_API", "pyside6")
        from qtpy.QtWidgets import QApplication

        yield QApplication.instance() or QApplication([])


@pytest.fixture(scope="session")
def plugin(application: object) -> object:
    """The manifest as napari has it: registered as if it had been found."""
    from npe2 import PluginManager, PluginManifest

    manifest = PluginManifest.from_file(Path(__file__).parents[2] / "viewer" / "napari.yaml")
    manager = PluginManager.instance()
    if manifest.name not in manager:
        manager.register(manifest)
    return manifest


@pytest.fixture(scope="module")
def viewer(plugin: object) -> Iterator[object]:
    """A real viewer, the same for all tests of a module; windows are not shown unless a test shows them."""
    import napari
    from napari.settings import get_settings

    # Compiling for the few shapes and labels of the tests takes longer than they do.
    get_settings().experimental.triangulation_backend = "Pure python"
    get_settings().experimental.colormap_backend = "Pure python"
    shown = napari.Viewer(show=False)
    yield shown
    shown.close()
    gc.collect()


@pytest.fixture
def empty(viewer) -> Iterator[object]:
    """The viewer of the module without layers and widgets, before and after."""
    _clear(viewer)
    yield viewer
    _clear(viewer)


def _clear(viewer) -> None:
    viewer.layers.clear()
    viewer.window.remove_dock_widget("all")


@pytest.fixture(scope="session")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of the simulated cell as the demo leaves it; nobody may write to it."""
    return demo_run(tmp_path_factory) / "demo" / "beamtime" / "cell7.zarr"


@pytest.fixture(scope="session")
def wait(application):
    """Let Qt work until something is true, or fail: ``wait(lambda: done, seconds)``.

    Qt waits by itself: each call of ``processEvents`` from Python loses a reference to None, and a loop of them ends
    the interpreter.
    """
    from time import monotonic

    from qtpy.QtTest import QTest

    def until(true, seconds=10.0):
        end = monotonic() + seconds
        while not true():
            assert monotonic() < end, "waited in vain"
            QTest.qWait(5)

    return until


@pytest.fixture(autouse=True)
def no_silent_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a slot of Qt raised: Qt goes on and Python only prints it."""
    raised: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: raised.append(error))
    yield
    assert not raised, f"raised within Qt: {raised!r}"


@pytest.fixture
def heard(application: object) -> Iterator[list[tuple[str, str]]]:
    """The kinds and texts of the notifications of a test."""
    from napari.utils.notifications import notification_manager

    texts: list[tuple[str, str]] = []

    def hear(notification):
        texts.append((str(notification.severity), notification.message))

    notification_manager.notification_ready.connect(hear)
    yield texts
    notification_manager.notification_ready.disconnect(hear)
