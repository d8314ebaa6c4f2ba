"""One trial: a damaged input is read, and what came of it is judged. Runs in a process that may die of it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import damage
from seeds import Seed
from targets import Target

from operando.errors import OperandoError, OperandoWarning, RecipeError, printable

MOST_GROWTH = 2**30
"""Bytes that reading one input may take; what is asked for beyond twice of it is refused by the system."""
_OF_MEMORY = re.compile(
    r"MemoryError|unable to allocate|cannot allocate|out of memory|std::bad_alloc|"
    r"allocation failed(?! for on disk image)",
    re.IGNORECASE,
)
"""What tells that memory ran out; HDF5 refuses lengths of its own metadata that no memory holds before that."""
_INSIDE = ("/operando/", "/xas/", "/xps/", "/tomo/", "/pipelines/")


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: ``read``, ``told`` (read with a warning), ``refused``, ``passed over`` or a finding."""

    kind: str
    text: str = ""
    place: str = ""
    seconds: float = 0.0
    grown: int = 0
    damage: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind not in ("read", "told", "refused", "passed over")

    @property
    def signature(self) -> str:
        """What findings of one cause share."""
        words = re.sub(r"[0-9]+|0x[0-9a-f]+|'[^']*'|/\S+", "*", self.text)[:60] if not self.place else ""
        return f"{self.kind} {self.place} {words}".strip()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class First(Random):
    """A source of choices that always takes the first: the settings that belong to an input."""

    def random(self) -> float:
        return 0.0

    def choice(self, seq: Sequence[Any]) -> Any:
        return seq[0]


@cache
def seeds_of(target: Target) -> tuple[Seed, ...]:
    return tuple(target.seeds())


def generator(target: Target, number: int) -> Random:
    """Return the source of all choices of a trial."""
    return Random(f"{target.name} {number}")


def prepared(target: Target, number: int, folder: Path) -> tuple[Path, Seed, Random, str]:
    """Write the damaged input of a number into a folder."""
    random, seeds = generator(target, number), seeds_of(target)
    seed = random.choice(seeds)
    main, said = damage.damaged(seed, seeds, folder, random)
    return main, seed, random, f"{seed.name}, {said}"


def limit_memory() -> None:
    """Let this process grow by twice what a trial may take, no further."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + 2 * MOST_GROWTH
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _status(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def run(target: Target, path: Path, seed: Seed, random: Random) -> Outcome:
    """Read a prepared input and return what came of it."""
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = _status("VmRSS"), time.process_time()
    outcome = _outcome(target, path, seed, random)
    seconds, grown = time.process_time() - begun, _status("VmHWM") - before
    if not outcome.is_finding and grown > MOST_GROWTH:
        outcome = Outcome("memory", f"{outcome.kind} with {outcome.text}", outcome.place)
    return Outcome(outcome.kind, outcome.text, outcome.place, seconds, grown)


def _outcome(target: Target, path: Path, seed: Seed, random: Random) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wrong = target.judge(target.read(path, seed, random))
        except OperandoError as error:
            return _refusal(error, path)
        except MemoryError as error:
            return Outcome("memory", f"{type(error).__name__}: {error}", _where(error))
        except BaseException as error:
            return Outcome(
                "exception", f"{type(error).__name__}: {error}"[:500], _where(error) + "\n" + traceback.format_exc()
            )
    others = [
        one for one in caught if not issubclass(one.category, OperandoWarning | DeprecationWarning | ResourceWarning)
    ]
    if others:
        return Outcome(
            "warning",
            f"{others[0].category.__name__}: {others[0].message}"[:300],
            f"{others[0].filename}:{others[0].lineno}",
        )
    if wrong:
        return Outcome("schema", "; ".join(wrong)[:400])
    return Outcome("told" if caught else "read")


def _refusal(error: OperandoError, path: Path) -> Outcome:
    text = str(error)
    if _OF_MEMORY.search(text):
        return Outcome("memory", text[:300], _where(error))
    if "\n" in text and not isinstance(error, RecipeError):
        return Outcome("lines", text[:300], _where(error))
    if not text.replace("\n", "").isprintable():
        return Outcome("control", ascii(text)[:300], _where(error))
    if len(text) > 20_000:
        return Outcome("long", f"{len(text)} characters: {text[:200]}", _where(error))
    if not any(printable(name) in text for name in (path.name, str(path.parent))):
        return Outcome("nameless", text[:300], _where(error))
    return Outcome("refused", text[:300])


def _where(error: BaseException) -> str:
    """Return the innermost line of ours that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        one
        for one in frames
        if any(mark in one.filename for mark in _INSIDE)
        and "site-packages" not in one.filename
        and "/tests/" not in one.filename
    ]
    one = (own or frames)[-1]
    return f"{'/'.join(Path(one.filename).parts[-3:])}:{one.lineno}"


def emptied(folder: Path) -> Path:
    """Return a folder with nothing in it."""
    if folder.exists():
        for place, _, _ in os.walk(folder):
            Path(place).chmod(0o700)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
