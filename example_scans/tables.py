"""What the tables of ``cell.toml`` are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """One table of ``cell.toml``; its comments there give units and meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stretch(Table):
    """Evenly spaced energies."""

    start: float
    stop: float
    step: float = Field(gt=0)
