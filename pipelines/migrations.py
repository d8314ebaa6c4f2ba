"""Stores of older versions of the schema, brought up to date before anything is written to them.

There is one version so far, so none is older. Whoever changes a layout raises ``SCHEMA_VERSION`` and puts here what
makes a store of the version before one of the new version; without that, stores of the older version are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from operando.errors import StoreError
from operando.schema import SCHEMA_VERSION
from operando.store import Root

from .commit import publish, sync_folder

Migration = Callable[[Root], Root]
"""Takes the root document of a store to the next version; new chunks are written where no published array looks."""

MIGRATIONS: dict[int, Migration] = {}
"""From each older version to the next one."""


def migrated(root: Root) -> Root:
    """Return a store at the version of this operando, after bringing it there by a single commit, if it is older.

    Killed before that commit, the store is as it was; readers see the one or the other.

    Raises
    ------
    StoreError
        If no way leads from its version to this one.
    OSError
        If it cannot be written.
    """
    version, wanted = root.version, int(SCHEMA_VERSION)
    if version == wanted:
        return root
    for step in range(version, wanted):
        if step not in MIGRATIONS:
            raise StoreError(
                f"{root.path}: expected schema version {wanted}, or one that can be brought to it, got {version}; "
                "move the store away and run its recipe again, which makes it anew from the files"
            )
        root = MIGRATIONS[step](root)
    root = replace(root, attributes={**root.attributes, "schema_version": SCHEMA_VERSION})
    publish(root)
    sync_folder(root.path)
    return root
