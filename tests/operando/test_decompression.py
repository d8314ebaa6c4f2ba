"""What packed data becomes is known before it is unpacked, and never said to be less than it is."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Zstd

from operando import decompression
from operando.decompression import deflated_within, squeezed_within, zstandard_most, zstandard_stated

PACKERS = {
    "zlib": (zlib.compress, deflated_within),
    "gzip": (gzip.compress, deflated_within),
    "bzip2": (bz2.compress, squeezed_within),
    "lzma": (lzma.compress, squeezed_within),
}
DATA = st.binary(max_size=3000).map(lambda data: data * 7)


@pytest.fixture(autouse=True)
def no_room(monkeypatch):
    """Look at everything, however small."""
    monkeypatch.setattr(decompression, "ROOM", 0)
    monkeypatch.setattr(decompression, "DEFLATE_RATIO", 10**9)
    monkeypatch.setattr(decompression, "_STEP", 64)


@pytest.mark.parametrize("kind", PACKERS)
@settings(max_examples=25, deadline=None)
@given(data=DATA)
def test_the_bound_is_exact_to_a_byte_also_over_several_members(kind, data):
    pack, within = PACKERS[kind]
    packed = pack(data)
    assert within(packed, len(data))
    assert not data or not within(packed, len(data) - 1)
    if kind != "zlib" and data:
        assert within(packed + packed, 2 * len(data))
        assert not within(packed + packed, 2 * len(data) - 1)


@pytest.mark.parametrize("kind", PACKERS)
def test_damage_is_left_for_the_codec_to_tell(kind):
    pack, within = PACKERS[kind]
    assert within(pack(bytes(9000))[:-3], 9000)
    assert within(b"not packed at all", 5)
    assert within(b"", 0)


def test_three_hundred_megabytes_of_zeros_are_noticed_by_their_first(monkeypatch):
    monkeypatch.undo()
    assert not deflated_within(zlib.compress(bytes(2**20), 9) * 1 + b"x" * 300_000, 2**19)
    assert deflated_within(zlib.compress(bytes(2**20), 9), 2**19), "small ones can do no harm"


@settings(max_examples=40, deadline=None)
@given(data=DATA, checksum=st.booleans())
def test_zstandard_says_how_much_it_becomes(data, checksum):
    packed = bytes(Zstd(checksum=checksum).encode(data)) if data else b""
    assert zstandard_most(packed) == len(data)


def test_zstandard_that_does_not_say_is_bound_by_its_blocks():
    """A frame with window descriptor and no content size: a raw block of 3 bytes, one byte repeated 100 000 times."""
    raw = (3 << 3 | 0 << 1).to_bytes(3, "little") + b"abc"
    repeated = (100_000 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"z"
    frame = b"\x28\xb5\x2f\xfd\x00\x50" + raw + repeated
    assert bytes(Zstd().decode(frame)) == b"abc" + b"z" * 100_000
    assert zstandard_stated(frame) is None
    assert zstandard_most(frame) == 100_003
