"""The form of every table of ``cell.toml``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """One table of ``cell.toml``; its comments there give units and meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)
