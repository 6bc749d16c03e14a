"""A figure as tests look at it."""

import io

from matplotlib.figure import Figure


def drawn(figure):
    """The figure after it was rendered once; warnings are errors, so a bad layout would fail here."""
    assert isinstance(figure, Figure)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def texts(figure):
    labels = [t for ax in figure.axes for t in (ax.get_xlabel(), ax.get_ylabel(), ax.get_title())]
    return labels + [t.get_text() for legend in figure.legends for t in legend.get_texts()]
