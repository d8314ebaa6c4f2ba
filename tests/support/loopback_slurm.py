"""A SLURM of one node on the loopback interface, for as long as tests need it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel")
PORTS = (26817, 26818)
MEMORY = 6000
"""MB of the node."""
PATIENCE = 30
"""Seconds until the node is to be up."""


def lacking() -> str:
    """Return why there can be no SLURM here; empty if there can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"needs {', '.join(missing)}: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "needs root, to start slurmd"


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run munge and SLURM, whose files lie in a folder, within the block; ``SLURM_CONF`` names their settings."""
    conf, before = _written(folder), os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(conf)
    started = []
    try:
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            Path("/run/munge").mkdir(exist_ok=True)
            shutil.chown("/run/munge", "munge", "munge")
            started.append(_started(folder, "runuser", "-u", "munge", "--", "/usr/sbin/munged", "--foreground"))
            _until(["munge", "-n"], "")
        started += [_started(folder, "/usr/sbin/slurmctld", "-D"), _started(folder, "/usr/sbin/slurmd", "-D")]
        _until(["sinfo", "--noheader", "-o", "%t"], "idle")
        yield
    finally:
        subprocess.run(["scancel", "--me"], capture_output=True, check=False)
        for process in reversed(started):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
        os.environ.pop("SLURM_CONF") if before is None else os.environ.update(SLURM_CONF=before)


def jobs() -> list[str]:
    """Return the numbers of the jobs that run."""
    found = subprocess.run(["squeue", "--noheader", "-t", "R", "-o", "%i"], capture_output=True, text=True, check=True)
    return found.stdout.split()


def cancel(job: str) -> None:
    """End a job."""
    subprocess.run(["scancel", job], check=True)


def _written(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    settings = {
        "ClusterName": "loopback",
        "SlurmctldHost": "localhost(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "SlurmctldPort": PORTS[0],
        "SlurmdPort": PORTS[1],
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "MpiDefault": "none",
        "ReturnToService": 2,
    }
    cores = os.cpu_count() or 1
    node = f"NodeName=localhost NodeAddr=127.0.0.1 NodeHostname={socket.gethostname()} CPUs={cores}"
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines += [f"{node} CoresPerSocket={cores} RealMemory={MEMORY}", "PartitionName=test Nodes=localhost Default=YES"]
    conf = folder / "slurm.conf"
    conf.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return conf


def _started(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    with (folder / f"{Path(command[-2]).name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _until(command: list[str], told: str) -> None:
    """Wait until a command succeeds and tells something."""
    end = time.monotonic() + PATIENCE
    while True:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        if found.returncode == 0 and told in found.stdout:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"{command[0]}: {found.stdout}{found.stderr}")
        time.sleep(0.2)
