"""Read damaged inputs with every reader, for as long as is wanted, and keep what goes wrong.

    python tests/fuzz/run.py                          # every reader, 600 s of processor time each
    python tests/fuzz/run.py --resume                 # go on until each has had them, the runs before included
    python tests/fuzz/run.py --reader xps.vamas --seconds 60
    python tests/fuzz/run.py --seconds 30 --patience 1 --jobs 4   # 30 s by the clock each, as in CI
    python tests/fuzz/run.py --reader xps.vamas --replay 4711

Everything follows from the reader's name and a number, so a finding is replayed by its number; its input is kept in
``<folder>/<reader>/<number>`` as well. The exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "support")]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "MALLOC_ARENA_MAX")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reader", action="append", help="a reader, such as xas.xdi; all by default")
    parser.add_argument("--seconds", type=float, default=600.0, help="of processor time for each reader, in all")
    parser.add_argument("--patience", type=float, default=20.0, help="times as long by the clock, at most")
    parser.add_argument("--inputs", type=int, help="at most for each reader")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=HERE.parents[1] / "build" / "fuzz")
    parser.add_argument("--resume", action="store_true", help="go on after what was tried, to the same goal")
    parser.add_argument("--replay", type=int, help="try one number in this process, with its traceback")
    parser.add_argument("--sound", action="store_true", help="read the undamaged inputs and say what comes of them")
    return parser.parse_args(given)


class Record:
    """What is known of a reader: how many inputs had which outcome, where to go on, and the findings by their cause.

    ``seconds`` is the processor time that went into it; ``slowest`` and ``largest`` are the numbers of what took most.
    """

    def __init__(self, folder: Path, name: str, *, resume: bool) -> None:
        self.folder = folder / name
        self.file = self.folder / "record.json"
        self.next, self.seconds, self.counts, self.findings = 0, 0.0, Counter[str](), {}
        self.seconds_max, self.slowest, self.grown_max, self.largest = 0.0, -1, 0, -1
        if resume and self.file.is_file():
            self.__dict__ |= json.loads(self.file.read_text()) | {"folder": self.folder, "file": self.file}
            self.counts = Counter(self.counts)
        elif self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, number: int, outcome, took: float, inputs: Path) -> bool:
        """Note an outcome; return whether it is a finding of a cause not seen before."""
        self.next, self.seconds = number + 1, self.seconds + took
        self.counts[outcome.kind] += 1
        if outcome.seconds > self.seconds_max:
            self.seconds_max, self.slowest = outcome.seconds, number
        if outcome.kind != "hang" and outcome.grown > self.grown_max:
            self.grown_max, self.largest = outcome.grown, number
        if not outcome.is_finding:
            return False
        known = self.findings.setdefault(outcome.signature, {"times": 0, "number": number, **outcome.as_dict()})
        known["times"] += 1
        if known["times"] == 1:
            shutil.copytree(inputs, self.folder / str(number), symlinks=True, dirs_exist_ok=True)
        return known["times"] == 1

    def save(self) -> None:
        kept = {key: value for key, value in self.__dict__.items() if key not in ("folder", "file")}
        temporary = self.file.with_suffix(".partial")
        temporary.write_text(json.dumps(kept, indent=1))
        temporary.replace(self.file)


def fuzz(name: str, given: argparse.Namespace) -> Record:
    """Try a reader in a process that this one forks until it has had its processor time; record what comes of it."""
    from targets import targets
    from workers import tried

    record = Record(given.folder, name, resume=given.resume)
    inputs, saved, left = record.folder / "input", time.monotonic(), given.seconds - record.seconds
    trials = tried(targets()[name], inputs, record.next, left, given.patience * given.seconds) if left > 0 else ()
    for number, outcome, took in islice(trials, given.inputs):
        if record.add(number, outcome, took, inputs):
            where = outcome.place.partition("\n")[0]
            print(f"{name} {number}: {outcome.kind}: {outcome.text[:200]} [{where}] ({outcome.damage})", flush=True)
        if time.monotonic() - saved > 5:
            saved = time.monotonic()
            record.save()
    record.save()
    shutil.rmtree(inputs, ignore_errors=True)
    return record


def replay(name: str, number: int, folder: Path) -> int:
    import trial
    from targets import targets

    target = targets()[name]
    path, seed, random, said = trial.prepared(target, number, trial.emptied(folder / name / f"replayed {number}"))
    print(f"{path}: {said}", flush=True)
    outcome = trial.run(target, path, seed, random)
    print(f"{outcome.kind}: {outcome.text}\n{outcome.place}\n{outcome.seconds:.2f} s, {outcome.grown >> 20} MiB")
    return int(outcome.is_finding)


def sound(name: str, folder: Path) -> int:
    """Read the undamaged inputs of a reader; return how many of them are not read."""
    import damage
    import trial
    from targets import targets

    target, lost = targets()[name], 0
    for seed in trial.seeds_of(target):
        path = damage.written(seed, trial.emptied(folder / name / "sound"))
        outcome = trial.run(target, path, seed, trial.First())
        lost += outcome.kind not in ("read", "told")
        print(
            f"{name}: {seed.name}: {outcome.kind} {outcome.text[:200]} {outcome.place} {outcome.seconds:.1f} s",
            flush=True,
        )
    return lost


def _one(name: str, given: argparse.Namespace) -> int:
    """Fuzz a reader in a process of its own: forks of a process with threads may lock up."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            code = int(bool(fuzz(name, given).findings))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def summary(folder: Path, names: list[str]) -> str:
    """Return a line a reader: inputs, outcomes, findings, slowest and largest."""
    lines, total = [], 0
    for name in names:
        record = Record(folder, name, resume=True)
        total += record.next
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(record.counts.items()))
        lines.append(
            f"{name:20s} {record.next:7d} inputs in {record.seconds:5.0f} s of processor time: {kinds}; "
            f"{len(record.findings)} findings; slowest {record.seconds_max:.1f} s (number {record.slowest}), "
            f"most memory {record.grown_max >> 20} MiB (number {record.largest})"
        )
    return "\n".join([*lines, f"{total} inputs, {len(names)} readers"])


def main() -> int:
    given = arguments()
    os.environ |= {name: os.environ.get(name, "1") for name in THREADS}
    from targets import targets

    names = given.reader or list(targets())
    unknown = [name for name in names if name not in targets()]
    if unknown:
        sys.exit(f"no reader {unknown[0]!r}; there are {', '.join(targets())}")
    if given.sound:
        return int(sum(sound(name, given.folder) for name in names) > 0)
    if given.replay is not None:
        return replay(names[0], given.replay, given.folder)
    with ThreadPoolExecutor(given.jobs) as pool:
        codes = list(pool.map(lambda name: _one(name, given), names))
    print(summary(given.folder, names))
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
