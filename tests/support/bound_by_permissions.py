"""Permissions that bind the superuser, too: what may not be read or written fails as it does for users."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

VERSION = 0x20080522
OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Bind the thread that enters the block, and those that it starts, or skip the test with a reason.

    Linux keeps capabilities thread by thread; another thread, such as that of a test, stays free of the permissions.
    """
    if os.name == "nt" or (os.geteuid() == 0 and not sys.platform.startswith("linux")):
        pytest.skip("permissions do not bind this user here")
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(VERSION, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        pytest.skip(f"capabilities cannot be asked for: {os.strerror(ctypes.get_errno())}")
    before = sets[0].effective
    sets[0].effective = before & ~OVERRIDES
    if libc.capset(ctypes.byref(header), sets):
        pytest.skip(f"capabilities cannot be dropped: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        sets[0].effective = before
        libc.capset(ctypes.byref(header), sets)
