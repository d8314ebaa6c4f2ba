"""Damage to files as bytes and as text: what disks, transfers, editors, cameras and ill will do to them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random

WHOLE = (0, 1, -1, 2, 255, 256, 32767, 32768, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1, -(2**63))
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e308, -1e308, 5e-324, 1e30, -1.0)
NUMBERS = (
    "nan", "inf", "-inf", "NaN", "1e999", "-1e999", "1e-999", "0", "-0", "-1", "1", "2", "99999999", "2147483648",
    "9223372036854775808", "1e6", "1e9", "1e15", "1e20", "1e308", "0x1F", "1_000", "1,5", "1.2.3", "½", "²", "٣٤",
    "１２", "--5", "+-1", "1e", "+inf", "null", "None", "true", "-", ".", ",", "e", "1d3", "1E+05", "", " ", "9" * 400,
    "1" * 5000, "0." + "0" * 5000 + "1",
)  # fmt: skip
DATES = (
    "0000-00-00 00:00:00", "9999-12-31T23:59:59", "10000-01-01", "1601-01-01", "2026-02-30 25:61:61", "1e999",
    "2262-04-12 00:00:00", "1677-09-20", "2026-03-29 02:30:00", "2026-10-25 02:30:00", "31/02/2026", "-1-1-1",
)  # fmt: skip
WORDS = (
    "\x00", "\ufeff", "\u2028", "\x85", "\x1c", "\x0b", "é", "ß", "日本", "\U0001f525", "</script>",
    "\x1b[2J", "'", '"', "%s", "{0}",
    "$(x)", "../../etc/passwd", "/etc/passwd", "C:\\con", "a" * 300, "#", "[", "]", "=", "::", "\t\t\t", ";", ",",
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_STAMP = re.compile(rb"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?")

Change = Callable[[bytes, Random], bytes]


def place(data: bytes, random: Random) -> int:
    """Return a place, more often one near the beginning, where headers are."""
    near = min(len(data), random.choice((32, 256, 2048, len(data))))
    return random.randrange(max(near, 1))


def flip_bits(data: bytes, random: Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        if spoiled:
            spoiled[place(data, random)] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def other_bytes(data: bytes, random: Random) -> bytes:
    at, length = place(data, random), random.choice((1, 1, 2, 4, 16, 300))
    put = random.choice((b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b" ", b"9", random.randbytes(1)))
    return data[:at] + put * length + data[at + length :]


def cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def hole(data: bytes, random: Random) -> bytes:
    at = place(data, random)
    return data[:at] + data[at + random.choice((1, 2, 4, 37, 512, 4096)) :]


def repeated(data: bytes, random: Random) -> bytes:
    at, length = place(data, random), random.choice((1, 8, 100, 4096))
    return data[: at + length] + data[at : at + length] * random.choice((1, 2, 50)) + data[at + length :]


def swapped(data: bytes, random: Random) -> bytes:
    one, two = sorted((place(data, random), place(data, random)))
    length = random.choice((4, 64, 512))
    first, second = data[one : one + length], data[two : two + length]
    return data[:one] + second + data[one + length : two] + first + data[two + length :]


def number_in_place(data: bytes, random: Random) -> bytes:
    """Put a whole number or a float of an awkward value over what stands at a place, often aligned."""
    at = place(data, random)
    at -= at % random.choice((1, 1, 2, 4, 8))
    order, size = random.choice("<>"), random.choice((1, 2, 4, 8))
    if random.random() < 0.3 and size >= 4:
        put = struct.pack(order + {4: "f", 8: "d"}[size], _as_single(random.choice(FLOATS), size))
    else:
        put = (random.choice(WHOLE) % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")
    return data[:at] + put + data[at + size :]


def _as_single(value: float, size: int) -> float:
    return value if size == 8 or not 3e38 < abs(value) < float("inf") else float("inf")


def emptied(_data: bytes, random: Random) -> bytes:
    return random.choice((b"", b"\x00", b"\n", b"\xef\xbb\xbf", b"\x00" * 70_000, b"\n" * 70_000, b" " * 70_000))


def spliced(others: Sequence[bytes]) -> Change:
    """Return a change that goes on with another file."""

    def change(data: bytes, random: Random) -> bytes:
        other = random.choice(others)
        return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]

    return change


BYTES: tuple[Change, ...] = (
    flip_bits, other_bytes, cut, hole, repeated, swapped, number_in_place, number_in_place, number_in_place, emptied,
)  # fmt: skip


def numbers(data: bytes, random: Random) -> bytes:
    """Write other numbers where numbers stand, or all of a kind."""
    found = list(NUMBER.finditer(data[:200_000]))
    if not found:
        return data
    chosen = {place_of.start() for place_of in random.sample(found, min(len(found), random.choice((1, 1, 2, 20))))}
    if random.random() < 0.5:
        near = found[: random.choice((20, 100))]
        chosen = {random.choice(near).start()}
    put = random.choice(NUMBERS).encode()
    out, at = [], 0
    for one in found:
        if one.start() in chosen:
            out += [data[at : one.start()], put]
            at = one.end()
    return b"".join([*out, data[at:]])


def dates(data: bytes, random: Random) -> bytes:
    found = list(_STAMP.finditer(data[:100_000]))
    if not found:
        return numbers(data, random)
    one = random.choice(found[: random.choice((1, 5, 1000))])
    return data[: one.start()] + random.choice(DATES).encode() + data[one.end() :]


def lines(data: bytes, random: Random) -> bytes:
    """Leave out, repeat, move or mix lines."""
    kept = data.splitlines(keepends=True)
    if len(kept) < 2:
        return data
    one, two = random.randrange(min(len(kept), random.choice((12, 80, len(kept))))), random.randrange(len(kept))
    way = random.randrange(6)
    if way == 0:
        del kept[one : one + random.choice((1, 1, 3, 50))]
    elif way == 1:
        kept[one:one] = [kept[one]] * random.choice((1, 2, 30, 3000))
    elif way == 2:
        kept[one], kept[two] = kept[two], kept[one]
    elif way == 3:
        del kept[one + 1 :]
    elif way == 4:
        kept[one] = kept[one].rstrip(b"\r\n") + kept[two]
    else:
        random.shuffle(kept)
    return b"".join(kept)


def words(data: bytes, random: Random) -> bytes:
    at = place(data, random)
    put = random.choice(WORDS).encode(random.choice(("utf-8", "utf-8", "latin-1", "utf-16-le")), "replace")
    return data[:at] + put + data[at + random.choice((0, 0, 1, len(put))) :]


def long_line(data: bytes, random: Random) -> bytes:
    at = place(data, random)
    put = random.choice((b"a", b"9", b"1 ", b"1,", b"\t", b" ", b"#", b"(", b"0.1\t", b"\\", b"*", b"-", b"a=b;"))
    return data[:at] + put * (random.choice((3_000, 100_000, 1_000_000)) // len(put)) + data[at:]


def nested(data: bytes, random: Random) -> bytes:
    at = place(data, random)
    put = random.choice((b"[", b"{", b'{"a":', b"<a>", b"(", b"[[", b"a.", b'"', b"<!--", b"{a={"))
    return data[:at] + put * random.choice((50, 1200, 60_000)) + data[at:]


def many_lines(data: bytes, random: Random) -> bytes:
    kept = data.splitlines(keepends=True) or [b"\n"]
    one = random.choice(kept)[:2000]
    return data + one * (random.choice((20_000, 400_000, 1_500_000)) // max(len(one), 1))


def line_ends(data: bytes, random: Random) -> bytes:
    put = random.choice((b"\r", b"\r\n", b"\n\n", b"\x0b", b"\x0c", b"\x1e", b"\xc2\x85", b"\xe2\x80\xa8", b""))
    return data.replace(b"\r\n", b"\n").replace(b"\n", put)


def encoded(data: bytes, random: Random) -> bytes:
    text = data.decode("utf-8", "replace")
    code = random.choice(("utf-16", "utf-16-be", "utf-8-sig", "utf-32", "cp037", "latin-1", "utf-7"))
    return text.encode(code, "replace")


def other_separators(data: bytes, random: Random) -> bytes:
    old, new = (
        random.choice((b"\t", b",", b";", b" ", b".", b":", b"=", b"#")),
        random.choice((b"\t", b",", b";", b" ", b"", b"||")),
    )
    return data.replace(old, new) if random.random() < 0.6 else data.replace(old, new, random.choice((1, 3, 50)))


def columns(data: bytes, random: Random) -> bytes:
    """Take a column out of the rows, empty it or put one in."""
    out = []
    at, way = random.randrange(6), random.randrange(3)
    for line in data.splitlines(keepends=True)[:20_000]:
        mark = next((one for one in (b"\t", b";", b",", b" ") if one in line), None)
        cells = line.split(mark) if mark else [line]
        if way == 0 and len(cells) > 1:
            del cells[at % len(cells)]
        elif way == 1:
            cells[at % len(cells)] = b""
        else:
            cells.insert(at % len(cells), b"7")
        out.append((mark or b" ").join(cells))
    return b"".join(out)


TEXT: tuple[Change, ...] = (
    numbers, numbers, numbers, numbers, dates, lines, lines, words, words, long_line, nested, many_lines, line_ends,
    encoded, other_separators, columns,
)  # fmt: skip


def is_text(data: bytes) -> bool:
    return b"\x00" not in data[:4096] and sum(byte > 126 or byte < 9 for byte in data[:2000]) < 200
