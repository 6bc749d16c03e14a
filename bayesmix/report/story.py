"""Sections that a model script adds to its page: what a data set or a method has to show beyond the standard report."""

import re

from bayesmix.errors import InputError
from bayesmix.report.parts import Section, picture
from bayesmix.report.parts import slides as slider
from bayesmix.report.style import TRUE_SHADES
from bayesmix.report.words import frame_table


def section(title, *parts, figures=(), slides=(), tables=()):
    """A section of the page, for a script's `story(em, mcmc, quick)` to yield.

        yield bm.section("How many?", "Two, says BIC.", (figure, "By EM."), (table, "Three fits."))

    The page shows paragraphs first, then sliders, figures and tables.

    Args:
        title: its heading.
        parts: in any order,

            * paragraphs: text;
            * figures: pairs (matplotlib Figure, caption) of figures of `bayesmix.report`, which bring the sentence
              that stands for them where they cannot be seen; of others triples (Figure, that sentence, caption);
            * sliders: triples (frames, name of the slider, caption), where frames are pairs (title, Figure) that
              share one place, as from `dynamics.frames`, or quadruples with the sentence before the caption;
            * tables: pairs (DataFrame, caption); the index comes first, under its name. Or triples (dict of line ->
              dict of column -> value, name of the lines, caption).
        figures, slides, tables: lists of more of these.

    Raises:
        InputError: a part is none of these, or a figure has no alternative text.
    """
    shown = {"figures": [*figures], "slides": [*slides], "tables": [*tables], "text": []}
    for part in parts:
        shown[_kind(title, part)].append(part)
    pictures = []
    for frames, name, *alt, caption in shown["slides"]:
        alt = next(_alternative(title, figure, alt) for _, figure in frames)
        pictures.append(slider(frames, name, alt, caption))
    for figure, *alt, caption in shown["figures"]:
        alt = _alternative(title, figure, alt)
        many = sum(len(c.get_offsets()) for ax in figure.axes for c in ax.collections if hasattr(c, "get_offsets"))
        shades = figure.get_label() == TRUE_SHADES or any(ax.images for ax in figure.axes)
        pictures.append(picture(figure, alt, caption, "png" if many > 800 or shades else "svg", true_shades=shades))
    name = "story-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    tables = tuple(_table(*table) for table in shown["tables"])
    return Section(name, title, tuple(shown["text"]), tuple(pictures), tables)


def _kind(title, part):
    """Under which heading a part of a section belongs, by its type or that of its first entry."""
    if isinstance(part, str):
        return "text"
    first = part[0] if isinstance(part, tuple) and len(part) > 1 else None
    if hasattr(first, "savefig"):
        return "figures"
    if isinstance(first, dict) or hasattr(first, "columns"):
        return "tables"
    if isinstance(first, list | tuple) and len(part) > 2:
        return "slides"
    got = type(part).__name__ if first is None else f"a tuple that begins with {type(first).__name__}"
    raise InputError(
        f"section({title!r}): expected paragraphs, (Figure, caption), (DataFrame, caption), (dict, name of its lines, "
        f"caption) or (frames, name, caption), got {got}."
    )


def _table(rows, *rest):
    """The Table of (DataFrame, caption), or of (dict of lines, their name, caption)."""
    *by, caption = rest
    if by:
        import pandas as pd

        rows = pd.DataFrame.from_dict(rows, orient="index").rename_axis(by[0])
    return frame_table(rows, str(rows.index.name or ""), caption)


def _alternative(title, figure, given):
    """The sentence that stands for a figure: the given one, or that which the figure brought."""
    if not hasattr(figure, "savefig"):
        raise InputError(
            f"section({title!r}): figures take (Figure, caption) or (Figure, alt, caption), got {figure!r} first."
        )
    text = given[0] if given else getattr(figure, "alt_text", "")
    if not str(text).strip():
        raise InputError(f"section({title!r}): a figure has no alternative text; say what it shows in a sentence.")
    return str(text)
