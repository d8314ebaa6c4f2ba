"""The regions of a SpecsLab2 XML file, one after the other: the whole file is never in memory at once."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from operando.errors import FileError, printable

_CHUNK = 1 << 20
_MOST_BYTES = 2**30
_DEEPEST, _MOST_ELEMENTS = 64, 2_000_000
_DECLARED = re.compile(rb"<\?xml[^>]*encoding")


@dataclass(frozen=True)
class RegionElement:
    """One region as the file has it, and the name of its group."""

    group: str
    element: Element


def region_elements(path: Path) -> Iterator[RegionElement]:
    """Yield the regions of a file.

    Element types are declared in these files; entities are not, and are refused: nothing is ever fetched or expanded.

    Raises
    ------
    FileError
        If the file declares an entity, is too large or nested too deeply, or is no well-formed XML: after the regions
        before that place.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB")
    regions = _Regions(path)
    parser = expat.ParserCreate(_encoding(path))
    parser.buffer_text = True
    parser.StartElementHandler = regions.start
    parser.EndElementHandler = regions.end
    parser.CharacterDataHandler = regions.text
    parser.EntityDeclHandler = regions.entity
    with path.open("rb") as stream:
        more = True
        while more:
            chunk = stream.read(_CHUNK)
            more = bool(chunk)
            broken = _fed(path, parser, chunk, last=not more)
            yield from regions.taken()
            if broken is not None:
                raise broken
    if regions.stated != regions.complete:
        raise FileError(path, f"{regions.stated} regions", str(regions.complete), remedy="copy it again")


def _fed(path: Path, parser: expat.XMLParserType, chunk: bytes, *, last: bool) -> FileError | None:
    try:
        parser.Parse(chunk, last)
    except expat.ExpatError as error:
        said, place = expat.ErrorString(error.code), f"line {error.lineno}"
        return FileError(path, "well-formed XML to its end", said, place=place, remedy="copy it again")
    except FileError as error:
        return error
    except (ValueError, LookupError) as error:
        return FileError(path, "well-formed XML to its end", str(error), remedy="copy it again")
    return None


class _Regions:
    """Builds the tree of one region at a time from the parser's events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: list[tuple[str, str, str, str]] = []
        self.stated = self.complete = 0
        self.group = ""
        self.builder: TreeBuilder | None = None
        self.base = self.elements = 0
        self.found: list[RegionElement] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        inside = self.open[-1] if self.open else ("", "", "", "")
        length = attributes.get("length", "")
        self.open.append((tag, attributes.get("type_name", ""), attributes.get("name", ""), length))
        if len(self.open) > _DEEPEST:
            raise FileError(self.path, f"elements at most {_DEEPEST} deep", "more", place="XML")
        if self.builder is None and self.open[-1][:2] == ("sequence", "RegionDataSeq"):
            self.stated += int(length) if length.isascii() and length.isdigit() and len(length) < 9 else 0
        elif self.builder is None and self.open[-1][:2] == ("struct", "RegionData") and inside[3] != "0":
            self.builder, self.base, self.elements = TreeBuilder(), len(self.open), 0
        elif self._names_a_group():
            self.group = ""
        if self.builder is not None:
            self.elements += 1
            if self.elements > _MOST_ELEMENTS:
                raise FileError(self.path, f"at most {_MOST_ELEMENTS} elements in a region", "more", place="XML")
            self.builder.start(tag, attributes)

    def text(self, data: str) -> None:
        if self.builder is not None:
            self.builder.data(data)
        elif self._names_a_group():
            self.group = (self.group + data)[:200]

    def end(self, tag: str) -> None:
        if self.builder is not None:
            self.builder.end(tag)
            if len(self.open) == self.base:
                self.found.append(RegionElement(printable(self.group.strip()), self.builder.close()))
                self.builder = None
                self.complete += 1
        self.open.pop()

    def entity(self, *declared: object) -> None:
        expected, got = "XML without entities", f"the entity {str(declared[0])[:40]!r}"
        raise FileError(self.path, expected, got, place="DOCTYPE", remedy="export it again with SpecsLab")

    def taken(self) -> list[RegionElement]:
        """Return the regions that are complete by now, once."""
        found, self.found = self.found, []
        return found

    def _names_a_group(self) -> bool:
        own = self.open[-1] if self.open else ("", "", "", "")
        return len(self.open) > 1 and self.open[-2][1] == "RegionGroup" and (own[0], own[2]) == ("string", "name")


def _encoding(path: Path) -> str | None:
    """Return ISO-8859-1 where the file names no encoding and is no UTF-8, as of Windows' programs; else None."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        chunk = stream.read(_CHUNK)
        if _DECLARED.match(chunk.lstrip(codecs.BOM_UTF8)):
            return None
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = stream.read(_CHUNK)
        except UnicodeDecodeError:
            return "iso-8859-1"
    return None
