"""Sections that a model script adds to its page: what a data set or a method has to show beyond the standard report."""

import re

from bayesmix.errors import InputError
from bayesmix.report.parts import Section, picture
from bayesmix.report.parts import slides as slider
from bayesmix.report.style import TRUE_SHADES
from bayesmix.report.words import frame_table


def section(title, *text, figures=(), slides=(), tables=()):
    """A section of the page, for the list that a script's `story(em, mcmc)` returns.

    Args:
        title: its heading.
        text: paragraphs.
        figures: triples (matplotlib Figure, alternative text, caption).
        slides: quadruples (frames, name of the slider, alternative text, caption), where frames are pairs (title,
            Figure) that share one place, as from `dynamics.frames`; they come before the figures.
        tables: pairs (DataFrame, caption); the index comes first, under its name.

    Raises:
        InputError: a figure has no alternative text, or is not a matplotlib Figure.
    """
    pictures = []
    for frames, name, alt, caption in slides:
        for _, figure in frames:
            _check(title, figure, alt)
        pictures.append(slider(frames, name, alt, caption))
    for figure, alt, caption in figures:
        _check(title, figure, alt)
        many = sum(len(c.get_offsets()) for ax in figure.axes for c in ax.collections if hasattr(c, "get_offsets"))
        shades = figure.get_label() == TRUE_SHADES or any(ax.images for ax in figure.axes)
        pictures.append(picture(figure, alt, caption, "png" if many > 800 or shades else "svg", true_shades=shades))
    frames = tuple(frame_table(frame, str(frame.index.name or ""), caption) for frame, caption in tables)
    name = "story-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return Section(name, title, tuple(text), tuple(pictures), frames)


def _check(title, figure, alt):
    if not hasattr(figure, "savefig"):
        raise InputError(f"section({title!r}): figures take triples (Figure, alt, caption), got {figure!r} first.")
    if not str(alt).strip():
        raise InputError(f"section({title!r}): a figure has no alternative text; say what it shows in a sentence.")
