"""The page: the verdict, every panel that has something to show, the methods; bokeh inlined."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from bokeh.document import Document
from bokeh.embed import components
from bokeh.model import collect_models
from bokeh.models.css import InlineStyleSheet
from bokeh.models.renderers.glyph_renderer import GlyphRenderer
from bokeh.resources import Resources

from operando.errors import OperandoWarning, StoreError, told

from . import BREAKS_OFF
from .choosing import link
from .loading import with_small_in_memory
from .methods import methods
from .panels import PANELS
from .parts import Html, Panel, Part, Plot, text
from .verdict import verdict

if TYPE_CHECKING:
    import xarray as xr

CHECKED = False
"""Whether bokeh looks for mistakes in the figures, as it does in tests: it goes through all of them once more."""


def html(tree: xr.DataTree, panels: Sequence[Panel] = PANELS) -> str:
    """Return the report of an experiment as one HTML page that needs nothing else.

    Parameters
    ----------
    tree
        The experiment.
    panels
        The sections, in their order.
    """
    tree = with_small_in_memory(tree)
    title = str(tree.attrs.get("experiment") or "Experiment")
    drawn = [(panel.title, list(_drawn(panel, tree))) for panel in panels if panel.wants(tree)]
    models = [model for _, parts in drawn for part in parts if isinstance(part, Plot) for model in part.models]
    every = collect_models(*models)
    link(every, tree)
    _simplify([one for one in every if isinstance(one, GlyphRenderer)])
    script, places = _as_script(models) if models else ("", ())
    sections = _sections(drawn, dict(zip(models, places, strict=True)))
    here = files(__package__)
    return Template((here / "page.html").read_text("utf-8")).substitute(
        title=text(title),
        css=(here / "page.css").read_text("utf-8"),
        bokeh=Resources(mode="inline", components=["bokeh", "bokeh-widgets"]).render_js() if models else "",
        verdict=verdict(tree),
        contents=" · ".join(f'<a href="#{_slug(name)}">{text(name)}</a>' for name in [*dict(drawn), "Methods"]),
        sections=sections,
        methods=methods(tree),
        script=script,
    )


def _drawn(panel: Panel, tree: xr.DataTree) -> Iterator[Part]:
    """Yield the parts of a section; what goes wrong in it is told and costs the rest of this section alone.

    Not so a store that cannot be read, as while it is replaced: the page before stays, and is written again later.
    """
    try:
        yield from panel.draw(tree)
    except (OSError, StoreError):
        raise
    except Exception as error:
        said = f"{BREAKS_OFF} {panel.title!r} breaks off: {told(error)}"
        warnings.warn(said, OperandoWarning, stacklevel=2)
        yield Html(f"<p>{text(said)}</p>")


def _simplify(marks: Sequence[Any]) -> None:
    """Let marks look the same whether others are chosen or not, and leave their empty boxes out of print.

    Looks that are never seen are a seventh of what bokeh goes through; boxes far outside of a figure would add pages.
    """
    hidden = InlineStyleSheet(css="@media print { :host { display: none; } }")
    for mark in marks:
        mark.nonselection_glyph = mark.muted_glyph = None
        if "stylesheets" in mark.properties():
            mark.stylesheets = [hidden]


def _as_script(models: Sequence[Any]) -> tuple[str, Sequence[str]]:
    """Return the script that draws the figures, and the place of each.

    They come into one document at once: for one after the other, bokeh goes through all of them each time.
    """
    document = _Page()
    with document.models.freeze():
        for model in models:
            document.add_root(model)
    return components(models)


class _Page(Document):
    """All figures; bokeh looks for mistakes in them only if that is wished for."""

    def validate(self) -> None:
        if CHECKED:
            super().validate()


def _sections(drawn: list[tuple[str, list[Part]]], places: dict[Any, str]) -> str:
    figures = 0
    out = []
    for title, parts in drawn:
        out.append(f'<section id="{_slug(title)}"><h2>{text(title)}</h2>')
        for part in parts:
            figures += isinstance(part, Plot) and bool(part.models)
            out.append(part.text if isinstance(part, Html) else _figure(part, places, figures))
        out.append("</section>")
    return "\n".join(out)


def _figure(plot: Plot, places: dict[Any, str], number: int) -> str:
    if not plot.models:
        return f"<p>{plot.caption}</p>"
    inside = "".join(f'<div class="plot">{places[model]}</div>' for model in plot.models)
    legend = f'<div class="legend">{plot.legend}</div>' if plot.legend else ""
    side = ' class="pair"' if plot.beside else ""
    caption = f"<figcaption><b>Figure {number}.</b> {plot.caption}</figcaption>"
    return f"<figure>{legend}<div{side}>{inside}</div>{caption}</figure>"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
