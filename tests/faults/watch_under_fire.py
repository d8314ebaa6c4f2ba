"""Watch a folder that fills for minutes, kill the watch again and again, and compare all that it left.

    python tests/faults/watch_under_fire.py FOLDER [--scans 2000] [--rate 10] [--kills 20] [--broken 0.05]

FOLDER keeps what was simulated; a folder in it holds each trial. The figures are printed as lines of JSON. Modes
``feed`` and ``poll`` are the processes of a trial: one writes the files, one opens the store over and over with plain
xarray where operando cannot be imported and compares every row with those of a run over all files at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support")]

import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from fed_folder import (  # noqa: E402
    FIT,
    LATE,
    PARTIAL,
    REASONS,
    RECIPE,
    RENAMED,
    REWRITTEN,
    SERIES,
    arrivals,
    feed,
    lines,
    whole,
)
from watched_rows import NODES, STORE, judge, opened, rows, sources, truth  # noqa: E402

PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
FED, SEEN, DONE = "fed.jsonl", "seen.jsonl", "done"
PATTERNS = {"xas": "xas/*.txt", "xps": "xps/*.vms", "xpeem": "xpeem/*.h5"}
SHARES = {"xas": 0.7, "xps": 0.29, "xpeem": 0.01}
LATER = 12.0
WATCH = "from operando.pipelines.cli import main; main()"


def simulated(folder: Path, scans: int) -> Path:
    """Return a simulated beamtime with so many scans of three techniques, made once."""
    from operando.example_scans import simulate

    source = folder / f"source_{scans}"
    if not (source / "beamtime.toml").exists():
        counts = {name: max(4, round(share * scans)) for name, share in SHARES.items()}
        span = 1.6e5
        quiet = ["i0_dropout", "duplicate_energies", "descending_energies", "zero_tail", "top_up", "glitch"]
        quiet += [f"xpeem_{what}_frame" for what in ("missing", "surplus", "saturated")]
        quiet += [f"xtm_{what}" for what in ("missing_slice", "surplus_slice", "saturated_slice", "ring")]
        quiet += [f"xps_{what}" for what in ("spike", "dead_detector", "wrong_hour")]
        changes = {
            "nickel": {"scans": counts["xas"], "period": span / counts["xas"], "dwell": 0.3},
            "nexus": {"scans": [1]},
            "xps": {"scans": counts["xps"], "first_scan": 20.0, "period": span / counts["xps"]},
            "xpeem": {
                "scans": counts["xpeem"],
                "first_scan": 200.0,
                "period": span / counts["xpeem"],
                "frame_time": 2.0,
                "pixels": 48,
                "particles": 12,
                "drift_range": 2.0,
                "drift_between": 1.0,
            },
            "tomography": {"steps": 1, "voxels": 24, "projected_step": 0, "tortuosity": False},
            "faults": {name: [] for name in quiet}
            | {"gain_from": 0, "truncated_last": False, "xps_truncated_last": False},
        }
        simulate(source, overrides=changes)
    return source


def beamtime(folder: Path, techniques=tuple(SERIES), fit: bool = True) -> Path:
    """Write the recipe of a trial."""
    folder.mkdir(parents=True)
    series = {name: SERIES[name] + (FIT if fit and name == "xps" else "") for name in techniques}
    (folder / "beamtime.toml").write_text(RECIPE + "".join(series.values()), encoding="utf-8")
    return folder


def plan(settings: dict) -> tuple[list, dict[str, bytes]]:
    """Return the files to come and the logs."""
    source = Path(settings["source"])
    patterns = {name: PATTERNS[name] for name in settings["techniques"]}
    files = arrivals(source, patterns, share=settings["broken"], seed=settings["seed"])[: settings["scans"]]
    return files, {f"echem/{path.name}": path.read_bytes() for path in sorted((source / "echem").glob("*.mpt"))}


def run_at_once(folder: Path, settings: dict, *, first: bool) -> None:
    """Make a beamtime with all files as they end, or as they are at first, and run it."""
    from operando.pipelines import recipe, run

    files, logs = plan(settings)
    beamtime(folder, settings["techniques"], settings["fit"])
    whole(folder, files, first=first)
    for name, data in logs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    with mock.patch.object(run.report, "write_store"):
        run.run(recipe.load(folder))


def trial(folder: Path, settings: dict) -> dict:
    """Feed, watch, kill and poll; return the figures."""
    for name, first in (("whole", False), ("first", True)):
        run_at_once(folder / name, settings, first=first)
    watched = beamtime(folder / "watched", settings["techniques"], settings["fit"])
    (folder / "settings.json").write_text(json.dumps(settings))
    environment = {**os.environ, "PYTHONPATH": PATHS}
    # As for those who install it: bytecode is kept, which every start would compile anew.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, __file__]
    feeder = subprocess.Popen([*command, "feed", str(folder)], env=environment)
    poller = subprocess.Popen([*command, "poll", str(folder)], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        killed, alive, code = supervised(watched, folder, settings, feeder, environment)
    finally:
        feeder.terminate()
        (folder / DONE).touch()
    read = json.loads(poller.communicate()[0])
    return {
        "killed": killed,
        "exit code": code,
        **read,
        **delays(folder),
        **outcome(folder, settings),
        "lives": alive,
    }


def supervised(watched: Path, folder: Path, settings: dict, feeder, environment) -> tuple[int, list, int]:
    """Keep a watch going until all has been fed and stored; return kills, memory of each life, the last exit code."""
    import psutil

    chosen, files = random.Random(settings["seed"] + 1), plan(settings)[0]
    span = len(files) / settings["rate"]
    moments = sorted(chosen.uniform(2.0, max(span, 4.0)) for _ in range(settings["kills"]))
    began, asked, killed, memory, process = time.time(), 0.0, 0, [], None
    options = ["--settle", "0.5", "--patience", str(settings["patience"]), "--report-every", str(settings["report"])]
    try:
        while True:
            process = started(watched, folder, options, environment)
            life, work = psutil.Process(process.pid), chosen.uniform(0.5, 2.5) * settings.get("work", 0.0)
            while process.poll() is None:
                time.sleep(0.25)
                now = time.time() - began
                with contextlib.suppress(psutil.Error):
                    memory.append((now, process.pid, life.memory_info().rss >> 20, sum(life.cpu_times()[:2])))
                lived = now - memory_start(memory) > settings["least_life"]
                if moments and now >= moments[0] and lived and memory[-1][3] >= work:
                    moments.pop(0)
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                    break
                if feeder.poll() is None or moments or now < asked + 2:
                    continue
                asked = now
                if settled(watched, folder, settings):
                    process.send_signal(signal.SIGINT)
                    return killed, lives(memory), process.wait(timeout=600)
                if now > span + settings["limit"]:
                    raise SystemExit(f"not done after {now:.0f} s: {folder}")
            if process.wait() != -signal.SIGKILL:
                raise SystemExit(f"the watch ended by itself with {process.returncode}: see {folder / 'watch.log'}")
    finally:
        if process is not None and process.poll() is None:
            process.kill()


def started(watched: Path, folder: Path, options: list[str], environment) -> subprocess.Popen:
    """Start a watch as from a shell."""
    command = [sys.executable, "-c", WATCH, "watch", str(watched), *options]
    with (folder / "watch.log").open("ab") as said:
        return subprocess.Popen(command, env=environment, stdout=said, stderr=said)


def memory_start(memory: list) -> float:
    """Return when the process that lives now was first looked at."""
    return next(when for when, pid, *_ in memory if pid == memory[-1][1])


def lives(memory: list) -> list:
    """Return of each process: seconds watched and of processor, MiB in its middle and at its end."""
    found = []
    for pid in dict.fromkeys(pid for _, pid, *_ in memory):
        own = [(when, used, processor) for when, one, used, processor in memory if one == pid]
        found.append((round(own[-1][0] - own[0][0], 1), round(own[-1][2], 1), own[len(own) // 2][1], own[-1][1]))
    return found


def settled(watched: Path, folder: Path, settings: dict) -> bool:
    """Whether the store holds what a run over all files holds, as far as counts and names tell."""
    try:
        with xr.open_datatree(watched / STORE, engine="zarr") as tree, opened(folder / "whole") as wanted:
            for technique in settings["techniques"]:
                node = f"{NODES[technique]}/raw"
                if {*map(str, tree[node].source.values)} != {*map(str, wanted[node].source.values)}:
                    return False
                if not np.array_equal(*(sorted(map(str, t[node].checksum.values)) for t in (tree, wanted))):
                    return False
            names = [{one["source"] for one in json.loads(t.attrs["failed"])} for t in (tree, wanted)]
            return (
                names[0] == names[1]
                and tree["echem"].sizes == wanted["echem"].sizes
                and all(
                    np.array_equal(
                        np.sort(tree[f"{NODES[t]}/raw"].flag.values), np.sort(wanted[f"{NODES[t]}/raw"].flag.values)
                    )
                    for t in settings["techniques"]
                )
            )
    except (OSError, KeyError, ValueError):
        return False


def delays(folder: Path) -> dict:
    """Return how long files took from being closed to being seen in the store, s."""
    seen = {str(one["name"]).partition("::")[0]: one["seen"] for one in lines(folder / SEEN)}
    sound = [one for one in lines(folder / FED) if one["final"] and not one["fault"] and one["name"] in seen]
    took = sorted(seen[one["name"]] - one["closed"] for one in sound)
    quantiles = {share: round(took[min(len(took) - 1, int(share * len(took)))], 2) for share in (0.5, 0.9, 0.99, 1.0)}
    return {"timed": len(took), "delay quantiles": quantiles}


def outcome(folder: Path, settings: dict) -> dict:
    """Compare the store with that of one run, and every broken file with what must be said of it."""
    files, _ = plan(settings)
    wrong: list[str] = []
    with opened(folder / "watched") as tree, opened(folder / "whole") as wanted:
        for node in sorted(one.path for one in wanted.leaves):
            one, other = (rows(t, node) for t in (tree, wanted))
            if not one.equals(other):
                wrong += [
                    f"{node}: {name}"
                    for name in other.variables
                    if name not in one or not one[name].equals(other[name])
                ]
        failed, expected = (
            {item["source"]: item["reason"].partition(": ")[2] for item in json.loads(t.attrs["failed"])}
            for t in (tree, wanted)
        )
        wrong += [f"failed: {source}" for source in failed.keys() ^ expected.keys()]
        wrong += [
            f"reason: {source}" for source in failed.keys() & expected.keys() if failed[source] != expected[source]
        ]
        flags = {}
        for technique in settings["techniques"]:
            raw = rows(tree, f"{NODES[technique]}/raw")
            flags |= {
                source.partition("::")[0]: flag for source, flag in zip(raw.source.values, raw.flag.values, strict=True)
            }
    told: Counter[str] = Counter()
    for one in files:
        if one.fault in REASONS and REASONS[one.fault] in failed.get(one.name, "?" if REASONS[one.fault] else ""):
            told[one.fault] += one.name in failed
        elif one.fault == PARTIAL:
            told[one.fault] += bool(flags.get(one.name, 0) & 8) or one.name in failed
        elif one.fault in (LATE, REWRITTEN, RENAMED):
            told[one.fault] += one.name in flags and not flags[one.name] & 8
    made = Counter(one.fault for one in files if one.fault)
    return {"files": len(files), "broken": dict(made), "told": dict(told), "differences from one run": wrong[:20]}


def feed_folder(folder: Path) -> None:
    """Fill the watched folder."""
    settings = json.loads((folder / "settings.json").read_text())
    files, logs = plan(settings)
    with (folder / FED).open("a", buffering=1) as told:
        feed(
            folder / "watched",
            files,
            logs,
            rate=settings["rate"],
            later=settings["later"],
            seed=settings["seed"],
            closed=lambda line: print(json.dumps(line), file=told),
        )


def poll_store(folder: Path) -> None:
    """Open the store over and over; note when scans are first seen, and read and judge all of it now and then."""
    sys.modules["operando"] = None  # type: ignore[assignment]
    warnings.filterwarnings("ignore", "Consolidated metadata")
    settings = json.loads((folder / "settings.json").read_text())
    truths = truth(folder / "whole", settings), truth(folder / "first", settings)
    known, state, judged, figures = set(), None, 0.0, Counter()
    wrong: list[str] = []
    store = folder / "watched" / STORE
    with (folder / SEEN).open("a", buffering=1) as told:
        while not (folder / DONE).exists():
            time.sleep(0.1)
            try:
                now = (store / "zarr.json").stat() if store.exists() else None
                if now is None or (now.st_ino, now.st_mtime_ns) == state:
                    continue
                for name in sorted(sources(store, settings) - known):
                    print(json.dumps({"name": name, "seen": time.time()}), file=told)
                    known.add(name)
                figures["opened"] += 1
                if time.time() - judged > settings["judge"]:
                    wrong += judge(store, settings, truths)
                    figures["judged"] += 1
                    judged = time.time()
                state = now.st_ino, now.st_mtime_ns
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
    print(json.dumps({"opened": figures["opened"], "judged": figures["judged"], "wrong states": wrong[:20]}))


def main() -> None:
    if sys.argv[1] in ("feed", "poll"):
        {"feed": feed_folder, "poll": poll_store}[sys.argv[1]](Path(sys.argv[2]))
        return
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--scans", type=int, default=2000)
    options.add_argument("--rate", type=float, default=10.0)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--broken", type=float, default=0.05)
    options.add_argument("--seed", type=int, default=20261129)
    given = options.parse_args()
    source = simulated(given.folder, given.scans)
    settings = {
        "source": str(source),
        "techniques": list(PATTERNS),
        "fit": True,
        "patience": 5.0,
        "report": 60.0,
        "later": LATER,
        "judge": 4.0,
        "least_life": 3.0,
        # Processor time, s, about so much of which a life has: on a busy machine 3 s may pass before it begins.
        "work": 2.0,
        "limit": 300.0,
        **{name: getattr(given, name) for name in ("scans", "rate", "kills", "broken", "seed")},
    }
    number = 1 + max((int(path.name[6:]) for path in given.folder.glob("trial_*")), default=0)
    folder = given.folder / f"trial_{number}"
    folder.mkdir()
    for name, value in trial(folder, settings).items():
        print(json.dumps({name: value}))
    shutil.rmtree(folder / "first")


if __name__ == "__main__":
    main()
