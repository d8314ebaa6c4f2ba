"""One writer at a time: a lock file beside the store that outlives no process."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import psutil  # type: ignore[import-untyped]

from operando.errors import StoreError

from .commit import one_line_errors

_LEFT: set[str] = set()
"""Tokens of locks that this process gave back, but could not remove."""


class LockLostError(StoreError):
    """The right to write a store was taken from its writer."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock; ``started`` tells it from a later one with the same id."""

    host: str
    pid: int
    started: str
    since: str
    token: str

    def dead(self) -> bool:
        """Whether the process is known to be gone, or has given it back; on another host nothing is known."""
        if self.token in _LEFT:
            return True
        if self.host != socket.gethostname():
            return False
        if not psutil.pid_exists(self.pid):
            return True
        started = process_start(self.pid)
        return started is not None and started != self.started


class Lock:
    """The right to write one store, held from entering to leaving the context.

    The lock file states host, process id and start time of the process. A lock whose process is gone is
    taken over; one from another host never is, because nobody can tell from here. Processes that share a
    host name but not their process ids (containers) must not share a store.

    Raises
    ------
    StoreError
        On entering, if another writer holds the lock (it is named), or the folder cannot be written.
    """

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(f"{store.name}.lock")
        self._store = store
        self._token = ""

    def __enter__(self) -> Lock:
        """Take the lock or raise."""
        token = uuid.uuid4().hex
        since = datetime.now(UTC).isoformat(timespec="seconds")
        mine = Holder(socket.gethostname(), os.getpid(), process_start(os.getpid()) or "", since, token)
        fresh = self.path.with_name(f"{self.path.name}.{token}")
        try:
            with one_line_errors(self._store):
                fresh.write_text(json.dumps(asdict(mine)))
                while not self._created(fresh) and self._holder_token() != token:
                    self._take_over(fresh)
        finally:
            with suppress(OSError):
                fresh.unlink()
        self._token = token
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back, unless somebody has removed or taken it meanwhile."""
        if self._holder_token() == self._token:
            try:
                self.path.unlink(missing_ok=True)
            except OSError:
                # The disk may not be written any more, which the error that ended the writer tells.
                _LEFT.add(self._token)

    def require(self) -> None:
        """Return if the lock is still held: somebody may have removed it, and another run taken it.

        Raises
        ------
        LockLostError
            If it is not.
        """
        if self._holder_token() != self._token:
            raise LockLostError(f"{self._store}: its lock {self.path} was removed or taken over; nothing was written")

    def _created(self, fresh: Path) -> bool:
        """Put the lock there, whole and only if there is none."""
        try:
            os.link(fresh, self.path)
        except FileExistsError:
            return False
        except OSError:
            return self._created_without_links(fresh)
        return True

    def _created_without_links(self, fresh: Path) -> bool:
        """Do the same on file systems without hard links (exFAT); a kill right here leaves an empty lock."""
        try:
            stream = self.path.open("x")
        except FileExistsError:
            return False
        try:
            with stream:
                stream.write(fresh.read_text())
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        return True

    def _take_over(self, fresh: Path) -> None:
        """Replace the lock of a dead process; raise if its process may live."""
        with _alone(self.path) as current:
            holder = read(self.path)
            if not current or not self.path.exists():
                return
            if holder is None:
                raise StoreError(
                    f"{self._store}: its lock {self.path} names no process; remove it if no other run is going"
                )
            if not holder.dead():
                raise StoreError(
                    f"{self._store}: another run writes this store (process {holder.pid} on {holder.host}, since "
                    f"{holder.since}); wait for it, or remove {self.path} if it is gone"
                )
            fresh.replace(self.path)

    def _holder_token(self) -> str:
        holder = read(self.path)
        return holder.token if holder else ""


def read(lock: Path) -> Holder | None:
    """Return who holds ``lock``; None if the file is missing or states nobody."""
    try:
        return Holder(**json.loads(lock.read_bytes()))
    except (OSError, TypeError, ValueError):
        return None


def process_start(pid: int) -> str | None:
    """Return when a process began, as text that no other process of this host shares; "" for a zombie.

    None if the process is gone or hidden. On Linux it counts from the boot, since the clock may be set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        try:
            return str(round(psutil.Process(pid).create_time(), 2))
        except psutil.Error:
            return None
    return "" if fields[0] in "ZX" else f"{boot} {fields[19]}"


@contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Let one process at a time judge a lock file; yield whether it is still the file in place.

    The system drops this inner lock with its process, so it needs no recovery of its own. Where there is
    none (Windows, some network file systems) two processes that find the same dead lock may race.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(lock.open("rb"))
            _flock(stream.fileno())
            current = os.path.samestat(os.fstat(stream.fileno()), lock.stat())
        except FileNotFoundError:
            current = False
        yield current


def _flock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
