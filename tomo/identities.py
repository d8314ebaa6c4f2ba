"""Which object of one scan is which of the next: tracks, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from functools import partial
from itertools import takewhile

import numpy as np

from .label_overlaps import Integers, Objects, Overlaps

Overlapping = Callable[[int, int], Overlaps]
HEIR = 0.5
"""An object goes on in another only if that holds more than this part of the most that one after it shares with it."""


class Event(IntFlag):
    """What happens to a track from one scan to the next, as bits."""

    birth = 1 << 0
    growth = 1 << 1
    shrinkage = 1 << 2
    absorption = 1 << 3
    merger = 1 << 4
    split = 1 << 5
    splitting_off = 1 << 6
    healing = 1 << 7
    reappearance = 1 << 8


class Kind(IntFlag):
    """What an overlap means: the same object, one of two that merge, a part that splits off, an exchange of matter."""

    same = 1
    merger = 2
    split = 3
    exchange = 4


@dataclass(frozen=True)
class Link:
    """Two objects of two scans that overlap; objects are places in their scans' ``Objects``."""

    scans: tuple[int, int]
    objects: tuple[int, int]
    tracks: tuple[int, int]
    voxels: int
    share: float
    kind: Kind


@dataclass
class Tracks:
    """What is known so far: for each scan the track of each object, and of each track its scans, events and origin.

    ``scans`` are the objects of each scan, ``overlapping`` returns the overlaps of two of them, of which those count
    that hold at least ``share`` of the smaller object.
    """

    scans: list[Objects]
    overlapping: Overlapping
    share: float
    of_objects: list[Integers] = field(default_factory=list)
    objects: list[dict[int, int]] = field(default_factory=list)
    events: dict[tuple[int, int], Event] = field(default_factory=dict)
    parent: dict[int, int] = field(default_factory=dict)
    merged_into: dict[int, int] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    def happens(self, scan: int, track: int, event: Event) -> None:
        """Add an event."""
        self.events[scan, track] = self.events.get((scan, track), Event(0)) | event

    def begin(self, scan: int, place: int, event: Event, parent: int = 0) -> int:
        """Return the number of a new track that begins with an object."""
        number = len(self.objects) + 1
        self.objects.append({scan: place})
        self.parent[number] = parent
        self.happens(scan, number, event)
        return number

    def overlaps(self, one: int, other: int) -> list[tuple[int, int, int, float]]:
        """Return the overlaps of two scans that count: place before, place after, voxels, share of the smaller."""
        before, after, links = self.scans[one], self.scans[other], self.overlapping(one, other)
        part = links.voxels / np.minimum(before.voxels[links.before], after.voxels[links.after])
        rows = zip(links.before, links.after, links.voxels, part, strict=True)
        return [(int(i), int(j), int(n), float(p)) for i, j, n, p in rows if p >= self.share]


def tracked(scans: list[Objects], overlapping: Overlapping, *, share: float, gap: int, change: float) -> Tracks:
    """Return the tracks of a series; see ``tracking.track`` for the rules."""
    known = Tracks(scans, overlapping, share)
    asleep: dict[int, int] = {}
    for scan, now in enumerate(scans):
        track = np.zeros(now.number.size, np.int64)
        waking: dict[int, int] = {}
        if scan:
            _follow(known, scan, track)
            asleep |= _fallen_asleep(known, scan)
            waking = _wake(known, scan, track, asleep) if gap else {}
        for place in np.flatnonzero(track == 0):
            track[place] = known.begin(scan, int(place), Event.birth if scan else Event(0))
        known.of_objects.append(track)
        for woken, last in waking.items():
            known.happens(scan, woken, Event.reappearance)
            del known.events[last + 1, woken]
        asleep = {one: last for one, last in asleep.items() if one not in waking and scan - last <= gap}
        if scan:
            _weigh(known, scan, change)
    return known


def _follow(known: Tracks, scan: int, track: Integers) -> None:
    """Give the objects of a scan the tracks of those before that they overlap most, or new ones that split off."""
    old = known.of_objects[scan - 1]
    kept = known.overlaps(scan - 1, scan)
    kept.sort(key=partial(_first_served, old))
    most: dict[int, int] = {}
    for i, _, n, _ in kept:
        most[i] = max(n, most.get(i, 0))
    taken: set[int] = set()
    kinds: dict[tuple[int, int], Kind] = {}
    for i, j, n, _ in kept:
        if i not in taken and track[j] == 0 and n > HEIR * most[i]:
            taken.add(i)
            track[j] = old[i]
            known.objects[old[i] - 1][scan] = j
            kinds[i, j] = Kind.same
    heirs = track.copy()
    for i, j, _, _ in sorted(kept, key=lambda one: one[1]):
        if track[j] == 0:
            kinds[i, j] = Kind.split
            track[j] = known.begin(scan, j, Event.splitting_off, parent=int(old[i]))
            known.happens(scan, int(old[i]), Event.split)
    for i, j, _, _ in kept:
        if i not in taken and heirs[j]:
            taken.add(i)
            kinds[i, j] = Kind.merger
            known.merged_into[int(old[i])] = int(track[j])
            known.happens(scan, int(old[i]), Event.merger)
            known.happens(scan, int(track[j]), Event.absorption)
    known.links += [
        Link((scan - 1, scan), (i, j), (int(old[i]), int(track[j])), n, p, kinds.get((i, j), Kind.exchange))
        for i, j, n, p in sorted(kept)
    ]


def _first_served(track: Integers, overlap: tuple[int, int, int, float]) -> tuple[int, int, int]:
    """Return what overlaps are ordered by: the largest first, then the older track, then the first voxel after."""
    before, after, voxels, _ = overlap
    return -voxels, int(track[before]), after


def _fallen_asleep(known: Tracks, scan: int) -> dict[int, int]:
    """Return the tracks that leave nothing behind, with their last scan: they have healed, or cannot be seen."""
    gone = {}
    for number in known.of_objects[scan - 1]:
        one = int(number)
        if scan not in known.objects[one - 1] and one not in known.merged_into:
            known.happens(scan, one, Event.healing)
            gone[one] = scan - 1
    return gone


def _wake(known: Tracks, scan: int, track: Integers, asleep: dict[int, int]) -> dict[int, int]:
    """Give new objects the tracks that were lost where they lie; return these with their last scan before."""
    woken: dict[int, int] = {}
    for last in sorted({last for last in asleep.values() if last < scan - 1}, reverse=True):
        if not (track == 0).any():
            break
        old = known.of_objects[last]
        for i, j, n, p in sorted(known.overlaps(last, scan), key=partial(_first_served, old)):
            number = int(old[i])
            if track[j] == 0 and asleep.get(number) == last and number not in woken:
                woken[number] = last
                track[j] = number
                known.objects[number - 1][scan] = j
                known.links.append(Link((last, scan), (i, j), (number, number), n, p, Kind.same))
    return woken


def _weigh(known: Tracks, scan: int, change: float) -> None:
    """Say which tracks grow and shrink, what merges with them and splits from them taken together."""
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    for link in takewhile(lambda link: link.scans[1] == scan, reversed(known.links)):
        if link.kind is not Kind.exchange:
            heir = link.tracks[0] if link.kind is Kind.split else link.tracks[1]
            if link.kind is not Kind.split:
                before[heir] = before.get(heir, 0) + int(known.scans[link.scans[0]].voxels[link.objects[0]])
            if link.kind is not Kind.merger:
                after[heir] = after.get(heir, 0) + int(known.scans[scan].voxels[link.objects[1]])
    for number in sorted(before.keys() & after.keys()):
        ratio = after[number] / before[number]
        if ratio > 1 + change:
            known.happens(scan, number, Event.growth)
        elif ratio < 1 - change:
            known.happens(scan, number, Event.shrinkage)
