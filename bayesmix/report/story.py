"""Sections that a model script adds to its page: what a data set or a method has to show beyond the standard report."""

import re

from bayesmix.errors import InputError
from bayesmix.report.parts import Section, picture
from bayesmix.report.words import frame_table


def section(title, *text, figures=(), tables=()):
    """A section of the page, for the list that a script's `story(em, mcmc)` returns.

    Args:
        title: its heading.
        text: paragraphs.
        figures: triples (matplotlib Figure, alternative text, caption).
        tables: pairs (DataFrame, caption); the index comes first, under its name.

    Raises:
        InputError: a figure has no alternative text, or is not a matplotlib Figure.
    """
    pictures = []
    for figure, alt, caption in figures:
        if not hasattr(figure, "savefig"):
            raise InputError(f"section({title!r}): figures take triples (Figure, alt, caption), got {figure!r} first.")
        if not str(alt).strip():
            raise InputError(f"section({title!r}): a figure has no alternative text; say what it shows in a sentence.")
        many = sum(len(c.get_offsets()) for ax in figure.axes for c in ax.collections if hasattr(c, "get_offsets"))
        heavy = many > 800 or any(ax.images for ax in figure.axes)
        pictures.append(picture(figure, alt, caption, "png" if heavy else "svg"))
    frames = tuple(frame_table(frame, str(frame.index.name or ""), caption) for frame, caption in tables)
    name = "story-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return Section(name, title, tuple(text), tuple(pictures), frames)
