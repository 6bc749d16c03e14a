"""What a page is made of: sections with pictures and tables."""

from dataclasses import dataclass, field

from bayesmix.report.style import data_uri


@dataclass(frozen=True)
class Picture:
    """A figure as a data URI with the text that stands for it and the text below it."""

    uri: str
    alt: str
    caption: str
    small: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the page: paragraphs, then figures, then tables; long tables folded under a summary."""

    id: str
    title: str
    text: tuple = ()
    pictures: tuple = ()
    tables: tuple = ()
    folded: tuple = field(default=())  # (summary, Table)
    code: tuple = ()  # (what it is, text)


def picture(figure, alt, caption, kind="svg", small=False):
    """The Picture of a matplotlib Figure; "svg" for few lines, "png" for many points."""
    return Picture(data_uri(figure, kind), alt, caption, small)
