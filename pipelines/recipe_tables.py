"""The tables of a recipe: what each key means, and what it must be."""

from __future__ import annotations

import re
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

NODE_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
REFERENCE_CLOCK = "cycler"
REFERENCES = "references"


class Section(BaseModel):
    """A table of the recipe; a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Zoned(Section):
    """A section whose files state local times."""

    timezone: str | None = Field(default=None, description="zone of the local times, such as 'Europe/Paris'")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is None or zone in available_timezones():
            return zone
        near = get_close_matches(zone, available_timezones(), n=1, cutoff=0.5) if zone else []
        raise ValueError(f"an IANA time zone such as {(near or ['Europe/Paris'])[0]!r}")


class Experiment(Zoned):
    """What the whole folder shares."""

    name: str | None = Field(default=None, description="a title")
    folders: list[str] = Field(default_factory=list, description="further folders that may be read and written to")
    store: str | None = Field(default=None, description="the store to write, beside the recipe")
    report: str | None = Field(default=None, description="the report to write, beside the recipe")
    volumes: str | None = Field(default=None, description="the folder of reconstructed volumes, beside the recipe")

    @field_validator("report")
    @classmethod
    def _is_page(cls, report: str | None) -> str | None:
        if report is not None and not is_page(report):
            raise ValueError("a page to write, such as 'report.html'")
        return report


class Cell(Section):
    """The cell; what is given here overrides the cycler's header, and both are kept."""

    active_mass: float | None = Field(default=None, gt=0, description="mg")
    electrode_area: float | None = Field(default=None, gt=0, description="cm^2")
    reference_capacity: float | None = Field(default=None, gt=0, description="mAh")
    soc0: float | None = Field(default=None, ge=-1, le=2, description="state of charge at the start of the log")
    reference_electrode: str | None = Field(default=None, description="such as 'Li+/Li' or 'In/InLi'")
    potential_offset: float | None = Field(default=None, ge=-10, le=10, description="V, added to the voltage")
    pressure: float | None = Field(default=None, ge=0, description="MPa")
    temperature: float | None = Field(default=None, gt=0, description="K")
    materials: dict[str, str] = Field(default_factory=dict, description="such as cathode = 'NCM811'")


class Log(Zoned):
    """Files of one log and how to read them."""

    files: list[str] = Field(min_length=1, description="patterns, beside the recipe")
    reader: str | None = Field(default=None, description="name of the reader; found by the files' content otherwise")
    read: dict[str, Any] = Field(default_factory=dict, description="keywords of the reader")

    @field_validator("files")
    @classmethod
    def _beside_the_recipe(cls, patterns: list[str]) -> list[str]:
        if all(_can_be_searched(pattern) for pattern in patterns):
            return patterns
        raise ValueError("patterns such as 'xas/*.txt' that start from the recipe's folder")


class Echem(Log):
    """The electrochemistry's log. Its clock is the one that all others are brought to."""

    clock: str = Field(default=REFERENCE_CLOCK, description="a name for its clock")
    current_offset_std: float | None = Field(
        default=None, ge=0, description="A, standard uncertainty of the current's zero"
    )


class ClockEvent(Section):
    """An event that a clock and the electrochemistry's both noted."""

    label: str = Field(min_length=1, description="such as 'beam dump'")
    shown: str | datetime = Field(description="when, by this clock: local time, or with its offset")
    reference: str | datetime = Field(description="when, by the electrochemistry's clock")
    std: float = Field(gt=0, description="s, standard uncertainty of the difference")


class OnsetSection(Section):
    """A potential whose crossing is of interest, such as that at which an electrolyte is oxidized."""

    above: float | None = Field(default=None, ge=-10, le=10, description="V vs Li+/Li, crossed upwards")
    below: float | None = Field(default=None, ge=-10, le=10, description="V vs Li+/Li, crossed downwards")
    hold: float = Field(default=0.0, ge=0, description="s, the shortest stay beyond it that counts")

    @model_validator(mode="after")
    def _one_direction(self) -> OnsetSection:
        if (self.above is None) == (self.below is None):
            raise ValueError("either above or below, a potential in V, such as { above = 2.3 }")
        return self


class ClockSection(Section):
    """A clock that differs from the electrochemistry's."""

    reference: str = Field(default=REFERENCE_CLOCK, description="the electrochemistry's clock, by its name")
    offset: float = Field(default=0.0, description="s, what it shows too much at the start")
    drift: float = Field(default=0.0, gt=-0.01, lt=0.01, description="by how much it runs fast, 25e-6 is 2.2 s a day")
    sigma: float = Field(default=0.0, ge=0, description="s, how well the two are known to agree")
    method: Literal["assumed", "ntp", "shared_channel", "trigger", "event", "manual"] = Field(
        default="assumed", description="how that is known"
    )
    shared_channel: Log | None = Field(default=None, description="a copy of the voltage, recorded on this clock")
    events: list[ClockEvent] = Field(default_factory=list, description="events that both clocks noted")

    @model_validator(mode="after")
    def _one_way(self) -> ClockSection:
        given = {"offset", "drift", "sigma", "method"} & self.model_fields_set
        if self.shared_channel is not None and given:
            raise ValueError("either shared_channel or offset, drift, sigma and method, not both")
        if self.events and (self.shared_channel is not None or given - {"method"}):
            raise ValueError("events alone, without shared_channel, offset, drift or sigma")
        if self.events and self.method not in ("assumed", "event", "trigger"):
            raise ValueError("method = 'event' or 'trigger' beside events")
        return self


class ClusterSection(Section):
    """What workers of ``operando run --cluster`` may use; nothing that data depend on."""

    workers: int = Field(default=2, ge=1, description="how many there are at least")
    most_workers: int | None = Field(default=None, ge=1, description="how many there may be while much is to be done")
    cores: int = Field(default=1, ge=1, description="of each worker")
    memory: str = Field(default="4 GiB", description="of each worker; one that needs more is started anew")
    spill: str | None = Field(default=None, description="a folder on a fast local disk for what memory cannot hold")
    lifetime: str | None = Field(default=None, description="after which a worker ends by itself, such as '55 minutes'")
    patience: str = Field(default="30 minutes", description="how long a run waits for its first worker")
    walltime: str | None = Field(default=None, description="of a job, such as '01:00:00'")
    queue: str | None = Field(default=None, description="SLURM's partition")
    account: str | None = Field(default=None, description="SLURM's account")
    interface: str | None = Field(
        default=None, description="network by which workers reach the scheduler, such as 'ib0'"
    )
    logs: str | None = Field(default=None, description="folder of the jobs' logs")
    dashboard: str = Field(
        default="127.0.0.1:0", description="where the cluster's page is seen: by default from this machine alone"
    )
    directives: list[str] = Field(default_factory=list, description="further lines of the job, after #SBATCH")

    @field_validator("spill", "logs", "walltime", "queue", "account", "interface", "dashboard")
    @classmethod
    def _is_word(cls, text: str | None) -> str | None:
        # It stands in the script of a job, where anything else could be a command.
        if text is None or re.fullmatch(r"[\w./:@%+=,$-]+", text):
            return text
        raise ValueError("letters, digits and _ . / : @ % + = , $ - only")

    @field_validator("directives")
    @classmethod
    def _are_lines(cls, lines: list[str]) -> list[str]:
        if all(line.isprintable() for line in lines):
            return lines
        raise ValueError("options of SLURM, a line each, such as '--constraint=fast'")

    @field_validator("memory")
    @classmethod
    def _is_size(cls, memory: str) -> str:
        from dask.utils import parse_bytes

        try:
            parse_bytes(memory)
        except ValueError:
            raise ValueError("a size such as '4 GiB'") from None
        return memory

    @field_validator("lifetime", "patience")
    @classmethod
    def _is_time(cls, lifetime: str | None) -> str | None:
        from dask.utils import parse_timedelta

        try:
            return lifetime if lifetime is None or parse_timedelta(lifetime) > 0 else _positive_time()
        except (KeyError, ValueError):
            return _positive_time()

    @model_validator(mode="after")
    def _more_is_more(self) -> ClusterSection:
        if self.most_workers is not None and self.most_workers < self.workers:
            raise ValueError(f"most_workers of at least {self.workers}, as workers")
        return self


def _positive_time() -> str:
    raise ValueError("a time such as '55 minutes'")


class StepSection(BaseModel):
    """One step; its further keys are the step's parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="name of the step; its parameters are further keys")
    node: str | None = Field(default=None, pattern=NODE_PATTERN, description="where a step over all scans is stored")

    @property
    def name(self) -> str:
        """The node of a step over all scans."""
        return self.node or self.use

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys beside ``use`` and ``node``."""
        return dict(self.model_extra or {})


class References(Zoned):
    """Spectra of known substances, to which those of the series are compared."""

    files: dict[str, str] = Field(min_length=1, description="name of each substance = its file, beside the recipe")
    reader: str | None = Field(default=None, description="the series' reader by default")
    read: dict[str, Any] | None = Field(default=None, description="keywords of the reader, the series' by default")
    signal: str | None = Field(default=None, description="how they were measured, if not as the series")


class Series(Log):
    """Scans of one technique at one edge or core level."""

    node: str = Field(pattern=NODE_PATTERN, description="letters, digits and underscores, such as Ni_K")
    technique: str = Field(description="xas, xpeem, xps or xtm")
    clock: str | None = Field(default=None, description="the clock of its times; the electrochemistry's by default")
    copied: bool = Field(default=False, description="whether stacks of images are copied into the store")
    references: References | None = None
    steps: list[StepSection] = Field(default_factory=list)


def is_page(path: str | Path) -> bool:
    """Whether a report may go there: never over data or a recipe, whatever a recipe or a hand says."""
    return Path(path).suffix.lower() in {".html", ".htm"}


def _can_be_searched(pattern: str) -> bool:
    parts = PurePath(pattern).parts
    return (
        bool(parts) and not PurePath(pattern).is_absolute() and all(part == "**" or "**" not in part for part in parts)
    )
