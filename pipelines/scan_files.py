"""The files of a recipe as a run sees them: all that are there, each judged by its content, now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .recipe import Recipe
from .recipe_tables import Log
from .sources import checksum_with


class ScanFiles(Protocol):
    """What a run asks about files: those that are there, or those that have arrived whole in a growing folder."""

    def of(self, log: Log) -> list[Path]:
        """Return the files of a section that may be read, in natural order."""

    def checksum(self, path: Path, images: str = "") -> str:
        """Return the fingerprint of a file with its images; see :func:`operando.pipelines.sources.checksum_with`."""

    def is_as_seen(self, path: Path) -> bool:
        """Whether a file that was read has not changed meanwhile, so that its checksum is that of what was read."""

    def keeps(self, path: Path) -> bool:
        """Whether what is stored of a file that cannot be read now is kept, since it may be there again soon."""

    def may_grow(self, path: Path) -> bool:
        """Whether a file that breaks off is not to be judged yet, since more of it may come."""


@dataclass(frozen=True)
class PresentFiles:
    """The files that are there now, taken as they are."""

    recipe: Recipe

    def of(self, log: Log) -> list[Path]:
        """Return all files of a section."""
        return self.recipe.files(log)

    def checksum(self, path: Path, images: str = "") -> str:
        """Return the fingerprint of what the file holds now."""
        return checksum_with(path, images)

    def is_as_seen(self, path: Path) -> bool:  # noqa: ARG002
        """Return that all are: one that grows meanwhile has another checksum for the next run, which reads it again."""
        return True

    def keeps(self, path: Path) -> bool:  # noqa: ARG002
        """Return that nothing is kept: a file that cannot be read is as one that is gone."""
        return False

    def may_grow(self, path: Path) -> bool:  # noqa: ARG002
        """Return that all are judged now."""
        return False
