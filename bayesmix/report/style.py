"""How figures look: colours that colour-blind readers can tell apart, sizes, and images as data URIs."""

import base64
import functools
import io

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

# Okabe & Ito's palette without its yellow, which is too pale on white, then Paul Tol's muted one.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
    "#332288", "#882255", "#999933", "#44AA99", "#AA4499", "#117733", "#CC6677", "#661100",
)  # fmt: skip
INK, GREY, PALE = "#222222", "#777777", "#D9D9D9"

STYLE = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.grid": False,
    "svg.hashsalt": "bayesmix",  # the same figure gives the same file
}
WIDTH = 7.2  # inches
TRUE_SHADES = "true shades"  # label of a Figure whose colours are the message, so that dark pages do not invert it


def styled(plot):
    """The plot function with this style in force while it draws."""

    @functools.wraps(plot)
    def inner(*args, **kwargs):
        with mpl.rc_context(STYLE):
            return plot(*args, **kwargs)

    return inner


def grid(rows, columns, height, width=WIDTH, **kwargs):
    """(Figure, axes (rows, columns)) that pyplot knows nothing of; `height` in inches per row."""
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def described(figure, text):
    """The figure, together with the sentence that stands for it where it cannot be seen; `bm.section` reads it."""
    figure.alt_text = text
    return figure


def colour(index):
    """The colour of component, class or optimum `index`; they repeat after fourteen."""
    return PALETTE[index % len(PALETTE)]


def component_colours(mixture):
    """One colour for each component: the colour of its class."""
    return [colour(int(c)) for c in mixture.component_classes]


def field_colours(mixture, name):
    """One colour for each entry of a field's component axis; INK for one that is shared."""
    p, colours = mixture.parameters[name], component_colours(mixture)
    return [INK] if p.shared else [colours[k] for k in p.covers(mixture.components)]


def blend(probabilities):
    """(n, 3) colours that mix the classes' colours by their probabilities (n, C)."""
    base = np.array([to_rgb(colour(c)) for c in range(probabilities.shape[1])])
    return np.clip(probabilities @ base, 0.0, 1.0)


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def powers(value, _=None):
    """10 to some power as a tick label: a twentieth of the time that matplotlib's own mathematics takes."""
    power = np.log10(value) if value > 0 else np.nan
    return f"10{str(round(power)).translate(RAISED)}" if abs(power - np.rint(power)) < 1e-9 else ""


def data_uri(figure, kind="svg"):
    """The figure as a `data:` URI; "svg" for few lines, "png" for many points."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        if kind == "svg":
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        else:
            _save_png(figure, buffer)
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    return f"data:{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _save_png(figure, buffer):
    """A PNG of at most 256 colours, a third of the size; as many as a figure of blended colours needs."""
    from PIL import Image

    raw = io.BytesIO()
    figure.savefig(raw, format="rgba", dpi=130)
    size = tuple(int(s) for s in figure.bbox.size * 130 / figure.dpi)
    image = Image.frombuffer("RGBA", size, raw.getbuffer()).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "png", compress_level=9)


def quantities(mixture, data, limit=4):
    """A handful of named quantities to trace: (title, field, index after the component axis).

    The weights, up to two features of the first field, one of every other.
    """
    found = []
    for position, (name, p) in enumerate(mixture.parameters.items()):
        if mixture.is_constant(name):
            continue
        names = [data.names[j] for j in p.features(data.d)]
        width = (1 if p.isotropic else len(names)) if name != "weight" and p.dims else 0
        if width == 0:
            found.append((name, name, ()))
        for j in range(min(width, 2 if position == 1 else 1)):
            index = (j,) * len(p.dims)
            label = "all" if p.isotropic else ", ".join([names[j]] * len(p.dims))
            found.append((f"{name}[{label}]", name, index))
    return found[:limit]
