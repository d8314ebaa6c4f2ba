"""A recipe's clocks are found from events that two clocks noted, several clocks side by side, traps told."""

from __future__ import annotations

import numpy as np
import pytest
from small_beamtime import SMALL

from operando.errors import ClockError, FileError, RecipeError
from operando.pipelines.electrochemistry import gather
from operando.pipelines.progress import Silent
from operando.pipelines.recipe import load

TRUE = {"offset": 37.4, "drift": 25e-6}
ECHEM = '[experiment]\ntimezone = "Europe/Zurich"\n[echem]\nfiles = ["*.mpt"]\nreader = "eclab"\n'
START = np.datetime64("2026-05-18T15:42:06.250", "ns")


class Told(Silent):
    """Keeps what is odd."""

    def __init__(self):
        self.odd = []

    def warn(self, text):
        self.odd.append(text)


def event(label, seconds, std=0.5, extra=0.0):
    """Return an event as two people note it: by the camera's clock, in local time, and by the cycler's, in UTC."""
    shown = seconds * (1 + TRUE["drift"]) + TRUE["offset"] + extra
    local, utc = (START + np.timedelta64(round(s * 1e3), "ms") for s in (shown + 7200, seconds))
    shown, reference = str(local)[:23], f"{str(utc)[:23]}+00:00"
    return f'{{ label = "{label}", shown = "{shown}", reference = "{reference}", std = {std} }}'


def gathered(tmp_path, text):
    for path in (SMALL / "echem").glob("*.mpt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "beamtime.toml").write_text(ECHEM + text, encoding="utf-8")
    told = Told()
    return gather(load(tmp_path), told), told.odd


def test_events_and_numbers_stand_side_by_side_as_clocks_of_one_recipe(tmp_path):
    events = ", ".join(event(name, at) for name, at in (("beam dump", 9000), ("shutter", 60000), ("end", 170000)))
    text = f"[clocks.camera]\nevents = [{events}]\n[clocks.door]\noffset = 2.0\nsigma = 1.0\nmethod = 'manual'\n"
    found, odd = gathered(tmp_path, text)
    camera = found.clocks["camera"]
    assert (camera.offset, camera.drift) == (pytest.approx(37.4, abs=0.01), pytest.approx(25e-6, abs=1e-7))
    assert (camera.method, camera.reference) == ("event", "cycler")
    assert 0.2 < camera.sigma < 1
    assert found.clocks["door"].offset == 2.0
    assert odd == []


def test_a_mistaken_zone_is_told(tmp_path):
    events = ", ".join(event(name, at, extra=-3600) for name, at in (("beam dump", 9000), ("shutter", 60000)))
    found, odd = gathered(tmp_path, f"[clocks.camera]\nmethod = 'trigger'\nevents = [{events}]\n")
    assert found.clocks["camera"].method == "trigger"
    assert len(odd) == 1
    assert "'camera' shows -1 h to 'cycler'" in odd[0]


def test_an_event_in_the_hour_that_occurs_twice_names_its_place_in_the_recipe(tmp_path):
    twice = '{ label = "dump", shown = "2026-10-25 02:30:00", reference = "2026-10-25T01:30:00Z", std = 1 }'
    with pytest.raises(FileError, match=r"clocks\.camera\.events\.0\.shown: .*occurs twice"):
        gathered(tmp_path, f"[clocks.camera]\nevents = [{twice}]\n")


def test_events_that_disagree_are_refused(tmp_path):
    times = (("beam dump", 9000, 0.0), ("shutter", 60000, 30.0), ("end", 90000, 0.0))
    events = ", ".join(event(name, at, extra=extra) for name, at, extra in times)
    with pytest.raises(ClockError, match="'shutter' off the others"):
        gathered(tmp_path, f"[clocks.camera]\nevents = [{events}]\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("offset = 3.0\nevents = [{event}]", "events alone"),
        ("method = 'ntp'\nevents = [{event}]", "method = 'event' or 'trigger' beside events"),
        ("events = [{{ label = 'a', shown = '2026-05-18 18:00:00', std = 1.0 }}]", "reference"),
        ("events = [{{ label = 'a', shown = '2026-05-18 18:00:00', reference = '2026-05-18', std = 0.0 }}]", "std"),
    ],
)
def test_mistakes_in_events_are_told_with_their_key(tmp_path, text, told):
    with pytest.raises(RecipeError, match=told):
        gathered(tmp_path, "[clocks.camera]\n" + text.format(event=event("dump", 9000)) + "\n")
