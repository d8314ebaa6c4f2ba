"""Text for a paper: what was done to each series, in sentences with their numbers, and the works that they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from operando import history

from .citations import references
from .paper_onsets import onset_sentences
from .paper_sentences import CITING, SENTENCES
from .parts import copied, counted, text
from .series import Series, all_series, over_all

if TYPE_CHECKING:
    import xarray as xr

_TECHNIQUES = {
    "xas": "X-ray absorption spectra",
    "xps": "Photoelectron spectra",
    "xpeem": "Stacks of photoemission electron images",
    "xtm": "Tomographic volumes",
}
_LINK = "link"
Step = tuple[str, Mapping[str, Any]]


def paper(tree: xr.DataTree) -> str:
    """Return paragraphs on the electrochemistry and each series, and the references, as HTML to be copied."""
    cited: list[str] = []
    steps = {series.path: _steps(_nodes(tree, series)) for series in all_series(tree)}
    log = _steps([tree["echem"].to_dataset()]) if "echem" in tree else []
    log += [one for own in steps.values() for one in own if one[0] == _LINK]
    parts = [_paragraph("Electrochemistry and clocks", log, cited)]
    onsets = onset_sentences(tree)
    parts += [_told("Onsets", [text(one) for one in onsets])] if onsets else []
    for series in all_series(tree):
        own = [one for one in steps[series.path] if one[0] != _LINK]
        parts.append(_paragraph(_title(series), own, cited))
    if not any(parts):
        return ""
    listed = "".join(f"<li>{text(one)}</li>" for one in cited)
    versions = sorted({version for node in tree.subtree for version in _versions(node.to_dataset())})
    ending = (
        f"All steps were taken with operando {text(', '.join(versions))}; uncertainties are one standard uncertainty."
    )
    works = f'<ol class="references">{listed}</ol>' if listed else ""
    return (
        '<h3>For a paper</h3><p class="aside">To be shortened; every step is below with all of its parameters.</p>'
        + copied(".paper", "the text", f'<div class="paper">{"".join(parts)}<p>{ending}</p>{works}</div>')
    )


def _nodes(tree: xr.DataTree, series: Series) -> list[xr.Dataset]:
    nodes = [series.raw, series.processed, *(ds for _, ds in over_all(tree, series))]
    return [ds for ds in nodes if ds is not None]


def _versions(ds: xr.Dataset) -> set[str]:
    return {str(step["version"]) for step in history.entries(ds) if "version" in step}


def _title(series: Series) -> str:
    what = _TECHNIQUES.get(series.technique, "Scans")
    return f"{what} ({series.path.rsplit('/', 1)[-1].replace('_', ' ')}, {counted(series.count, 'scan')})"


def _steps(nodes: list[xr.Dataset]) -> list[Step]:
    """Return the steps of a series, each once: nodes share the steps that they come from."""
    found: list[Step] = []
    for ds in nodes:
        for step in history.entries(ds):
            one = (str(step.get("step", "")), dict(step.get("parameters") or {}))
            if one not in found:
                found.append(one)
    return found


def _paragraph(title: str, steps: list[Step], cited: list[str]) -> str:
    """Return the sentences on a series with the numbers of the works they rest on, which are added to ``cited``."""
    said = []
    for name, parameters in steps:
        sentence = _sentence(SENTENCES.get(name), parameters)
        if sentence:
            cites = CITING[name](parameters) if name in CITING else True
            said.append(text(sentence) + (_numbers(name, cited) if cites else ""))
    return _told(title, said) if said else ""


def _told(title: str, said: list[str]) -> str:
    return f"<p><b>{text(title)}.</b> {' '.join(f'{one}.' for one in dict.fromkeys(said))}</p>"


def _sentence(template: str | Callable[[Mapping[str, Any]], str] | None, parameters: Mapping[str, Any]) -> str:
    """Return a sentence with its numbers; empty if there is none, or an older version kept no such parameter."""
    try:
        if isinstance(template, str):
            return template.format(**parameters)
        return template(parameters) if template is not None else ""
    except (KeyError, TypeError, ValueError, IndexError):
        return ""


def _numbers(step: str, cited: list[str]) -> str:
    own = references(step)
    cited.extend(one for one in own if one not in cited)
    listed = ", ".join(str(cited.index(one) + 1) for one in own)
    return f" [{listed}]" if listed else ""
