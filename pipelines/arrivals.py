"""Files as they arrive in the folders of a recipe: looked at over and over, and taken once they are closed.

Only listing and ``stat`` are used, which work on network file systems too. What a file server says of a file is
compared with what it said before, never with the clock of this machine.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from .recipe import Recipe, natural_key, takes_folders
from .recipe_tables import Log, Series
from .sources import checksum_with

State = tuple[int, ...]
"""What is compared of a file: size, times of change and number; of a folder the sums over the files below it."""

NOT_THERE: State = (-1,)


@dataclass
class _Seen:
    """A file's state, and when (s of this process) a look first found it so, and did not find it any more."""

    state: State
    since: float
    gone: float | None = None
    again: float = 0.0


@dataclass
class Arrivals:
    """The files of a recipe that is run while they arrive.

    Parameters
    ----------
    recipe
        The recipe.
    settle
        Seconds: a file whose size and times have stayed the same for so long is taken for closed.
    patience
        Seconds for which a closed file that breaks off, or cannot be read, is waited for before it is judged as it is,
        and for which a file must be missing from its folder before it is taken for deleted.
    clock
        The clock of this process, s.
    """

    recipe: Recipe
    settle: float = 0.5
    patience: float = 60.0
    clock: Callable[[], float] = monotonic
    changes: int = 0
    """How often a look has found something new."""
    _looked: float = -math.inf
    _seen: dict[Path, _Seen] = field(default_factory=dict)
    _places: dict[int, list[Path]] = field(default_factory=dict)
    _known: dict[tuple[Path, str], tuple[State, str]] = field(default_factory=dict)
    _keys: dict[Path, list[tuple[int, int, str]]] = field(default_factory=dict)
    _judged: set[Path] = field(default_factory=set)

    def judge_at_once(self, paths: Iterable[Path]) -> None:
        """Spare the patience for files that were judged before, as long as they do not change."""
        self._judged.update(paths)

    def look(self) -> None:
        """List the folders of all series and look at every file once."""
        now = self._looked = self.clock()
        found: dict[Path, State] = {}
        for number, series in enumerate(self.recipe.series):
            states = dict(self._states(series))
            found |= states
            before = self._places.get(number, [])
            if states.keys() != set(before):
                kept = [path for path in before if path not in states and not self._is_deleted(path, now)]
                self._places[number] = sorted([*states, *kept], key=self._key)
        for path, state in found.items():
            self._note(path, state, now)
        for path, seen in self._seen.items():
            if path in found:
                seen.gone = None
            elif seen.gone is None:
                seen.gone, self.changes = now, self.changes + 1

    def log_states(self) -> list[tuple[Path, State]]:
        """Return the states of the files of the electrochemistry and of the channels that clocks share."""
        channels = [clock.shared_channel for clock in self.recipe.clocks.values()]
        logs = [log for log in (self.recipe.echem, *channels) if log is not None]
        return sorted(state for log in logs for state in self._states(log))

    def waiting(self, series: Series) -> int:
        """Return how many files of a series are there, but not closed yet."""
        return len(self._places.get(self._number(series), [])) - len(self.of(series))

    def of(self, log: Log) -> list[Path]:
        """Return the closed files of a series in natural order, as the last look found them."""
        latest = self._looked - self.settle
        return [path for path in self._places.get(self._number(log), []) if self._is_closed(self._seen[path], latest)]

    def checksum(self, path: Path, images: str = "") -> str:
        """Return the fingerprint of a file with its images, computed again only when one of them has changed."""
        seen = self._seen.get(path)
        state = state_of(path) if seen is None else seen.state
        for name in images.splitlines():
            state += state_of(path.parent / name)
        before, known = self._known.get((path, images), (None, ""))
        if before != state:
            known = checksum_with(path, images)
            self._known[path, images] = state, known
        return known

    def is_as_seen(self, path: Path) -> bool:
        """Whether a file is as the last look found it: else what was read may not be what its checksum is of."""
        seen = self._seen.get(path)
        return seen is not None and seen.state == state_of(path)

    def keeps(self, path: Path) -> bool:
        """Whether what is stored is kept: until a file is closed again, may be read again, or is known to be gone."""
        return path in self._seen

    def restless(self) -> bool:
        """Whether any file was not closed when it was last looked at, or is missing."""
        latest = self._looked - self.settle
        return any(seen.since > latest or seen.gone is not None for seen in self._seen.values())

    def may_grow(self, path: Path) -> bool:
        """Whether a file has not been waited for long enough; it is taken again when it has changed, or later."""
        seen, now = self._seen.get(path), self.clock()
        if seen is None or path in self._judged or now - seen.since >= self.patience:
            return False
        seen.again = now + min(max(now - seen.since, self.settle), seen.since + self.patience - now)
        return True

    def _is_closed(self, seen: _Seen, latest: float) -> bool:
        return seen.gone is None and seen.since <= latest and seen.again <= latest + self.settle

    def _number(self, log: Log) -> int:
        return next(number for number, series in enumerate(self.recipe.series) if series is log)

    def _key(self, path: Path) -> list[tuple[int, int, str]]:
        if path not in self._keys:
            self._keys[path] = natural_key(path.relative_to(self.recipe.folder).as_posix())
        return self._keys[path]

    def _note(self, path: Path, state: State, now: float) -> None:
        seen = self._seen.get(path)
        if seen is None or seen.state != state:
            if seen is not None:
                self._judged.discard(path)
            self._seen[path] = _Seen(state, now)
            self.changes += 1

    def _is_deleted(self, path: Path, now: float) -> bool:
        """Whether a file is missing for long from a folder with others; an empty one may be a share that is lost."""
        gone = self._seen[path].gone
        if gone is None or now - gone < self.patience:
            return False
        try:
            with os.scandir(path.parent) as inside:
                there = any(inside)
        except OSError:
            there = False
        if there:
            self._seen.pop(path, None)
            self.changes += 1
        return there

    def _states(self, log: Log) -> Iterator[tuple[Path, State]]:
        """Yield the files of a section with their states; folders where a reader takes one as a scan."""
        folders, store = takes_folders(log), self.recipe.store
        for path in {path for pattern in log.files for path in self.recipe.folder.glob(pattern)}:
            state = state_of(path, folders=folders)
            if state and path != store:
                yield path, state


def state_of(path: Path, *, folders: bool = True) -> State:
    """Return the state of a file or folder; empty for a folder that is not asked for."""
    try:
        found = path.stat()
        if not stat.S_ISDIR(found.st_mode):
            return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
        return _of_folder(path) if folders else ()
    except FileNotFoundError:
        return NOT_THERE
    except OSError as error:
        return (-2, error.errno or 0)


def _of_folder(folder: Path) -> State:
    """Return the number of files below a folder, and sums of their sizes and times of change."""
    total = [0, 0, 0, 0]
    for place, _, names in os.walk(folder):
        for name in names:
            found = Path(place, name).lstat()
            numbers = 1, found.st_size, found.st_mtime_ns + found.st_ctime_ns, found.st_ino
            total = [one + other for one, other in zip(total, numbers, strict=True)]
    return tuple(total)
