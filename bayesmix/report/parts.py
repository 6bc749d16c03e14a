"""What a page is made of: sections with pictures and tables."""

from dataclasses import dataclass

from bayesmix.report.style import TRUE_SHADES, data_uri


@dataclass(frozen=True)
class Picture:
    """A figure as a data URI with the text that stands for it and the text below it.

    true_shades: dark pages invert lines and words on white paper, but not pictures whose shades are the message.
    frames: pairs (title, data URI) instead of one figure, shown one at a time by a slider of the name `slider`.
    """

    uri: str
    alt: str
    caption: str
    small: bool = False
    true_shades: bool = False
    frames: tuple = ()
    slider: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the page: paragraphs, then formulas, figures and tables; long tables folded under a summary."""

    id: str
    title: str
    text: tuple = ()
    pictures: tuple = ()
    tables: tuple = ()
    folded: tuple = ()  # (summary, Table)
    code: tuple = ()  # (what it is, text)
    folded_code: tuple = ()  # (summary, text)
    formulas: tuple = ()


def picture(figure, alt, caption, kind="svg", small=False, true_shades=False):
    """The Picture of a matplotlib Figure; "svg" for few lines, "png" for many points."""
    return Picture(data_uri(figure, kind), alt, caption, small, true_shades)


def slides(frames, slider, alt, caption):
    """The Picture of pairs (title, Figure) that share one place, one at a time under a slider."""
    shown = tuple((title, data_uri(figure, "png")) for title, figure in frames)
    shades = any(figure.get_label() == TRUE_SHADES for _, figure in frames)
    return Picture("", alt, caption, true_shades=shades, frames=shown, slider=slider)
