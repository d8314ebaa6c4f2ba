"""Write fitted pixel classifiers: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .whole_files import written_whole

if TYPE_CHECKING:
    from operando.tomo import PixelClassifier


def write_classifier(path: str | Path, classifier: PixelClassifier, *, overwrite: bool = False) -> Path:
    """Write a fitted classifier to a file and return its path; ``PixelClassifier.load`` reads it.

    The file is written beside its place under another name, synced to the disk and renamed: nobody sees half of it,
    and a write that fails leaves what was there.

    Parameters
    ----------
    path
        The file, such as ``"phases.forest"``; its folder is there.
    classifier
        What ``PixelClassifier(...).fit(...)`` returned.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If the classifier is not fitted, the file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    content = classifier.to_bytes()
    with written_whole(path, overwrite=overwrite) as aside:
        aside.write_bytes(content)
    return path
