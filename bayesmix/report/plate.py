"""The plate diagram of a model, drawn with matplotlib: no graphviz, and the mixture's own plates."""

from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle, Wedge

from bayesmix.report.graph import Node, known_nodes, leaves_of, observed_nodes, parameter_node
from bayesmix.report.style import GREY, INK, colour, styled

RADIUS, STEP, LINE = 0.31, 1.22, 0.155  # inches: of a circle, between circles, between lines of small text
TOP, MIDDLE, BOTTOM = 3.72, 2.42, 0.83  # heights of the priors, the parameters and the rows
SMALL, LETTER = 8.0, 0.071  # points, and about how wide such a letter is in inches
OBSERVED, PLATE = "#C9CED6", "#8A94A3"
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # words stand clear of the arrows behind them


@styled
def plate_diagram(model, data):
    """Figure: the model as a directed graph; what was observed is shaded, and a plate holds what is repeated.

    Circles are variables: shaded where observed, half shaded where partly (labels of some rows, missing cells).
    Dots are known constants, small squares the constraints. Priors stand above their parameters, with their
    hyperparameters; z is the allocation of a row, x its features.

    Args:
        model: a `Mixture`. data: the `Data` it is for, which settles the priors that were left out.
    """
    mixture = model.resolve(data)
    leaves = leaves_of(mixture.family, mixture.components, data.d)
    page = _Page(mixture, data, leaves)
    figure = Figure(figsize=(page.width, TOP + 0.55))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(0, page.width)
    ax.set_ylim(0, TOP + 0.55)
    ax.set_axis_off()
    page.draw(ax)
    return figure


class _Page:
    """Where everything stands: x coordinates of the parameters, of z and of each part of x."""

    def __init__(self, mixture, data, leaves):
        self.mixture, self.data, self.leaves = mixture, data, leaves
        self.nodes, self.x, self.corner, self.plates = {}, {}, {}, []
        self.ways = []  # points along every line that was drawn
        self.of_leaf = {}
        at = 0.35
        if mixture.components > 1:
            node = parameter_node(mixture, None, "weight")
            at = self._put("weight", node, at) + 0.12
        for owners in dict.fromkeys(leaf.owners for leaf in leaves):
            at = self._block(owners, at)
        self.observed = observed_nodes(mixture, data, leaves)
        low = self.x["weight"] + 1.45 if mixture.components > 1 else 0.35 + STEP / 2
        self.places = []
        for node, own in self.observed:
            names = [n for i in own for n in self.of_leaf.get(i, ())]
            centre = np.mean([self.x[n] for n in names]) if names else low
            self.places.append(max(centre, low))
            low = self.places[-1] + max(1.35, 2 * self._half(node) + 0.1)
        self.width = max(at + 0.1, self.places[-1] + self._half(self.observed[-1][0]) + 0.55)

    @staticmethod
    def _half(node):
        """Half the width of the frame about an observed node: the names of its features fit in."""
        return max(0.6, LETTER * len(node.below) / 2 + 0.06)

    def _put(self, name, node, at):
        """Place a node in the next free column, wider where a constraint stands beside its prior."""
        words = [len(line) for line in node.prior] + [len(node.below)]
        wide = max(STEP, 0.068 * max(words) + 0.2)
        self.nodes[name], self.x[name], self.corner[name] = node, at + wide / 2, at + wide
        return at + wide + (0.85 if node.constraints else 0.0)

    def _block(self, owners, at):
        """The fields of some components: what they share, then a plate with the rest; features have plates inside."""
        mine = [i for i, leaf in enumerate(self.leaves) if leaf.owners == owners]
        found = [(i, n, parameter_node(self.mixture, self.leaves[i], n)) for i in mine for n in self.leaves[i].fields]
        found += [(i, f"{node.name} of {i}", node) for i in mine for node in known_nodes(self.leaves[i])]
        for i, name, node in found:
            if node.direct:
                self.of_leaf.setdefault(i, []).append(name)
        found.sort(key=lambda item: (item[0], not item[2].every) if item[2].each else (-1, item[2].every))
        for each in (False, True):
            run, start = None, None
            first = at
            for i, name, node in [item for item in found if item[2].each is each]:
                if run is not None and (run != i or not node.every):
                    self._features(run, start, at)
                    run = None
                at += 0.12 * (node.every and run is None)
                if node.every and run is None:
                    run, start = i, at
                at = self._put(name, node, at)
            if run is not None:
                self._features(run, start, at)
                at += 0.1
            if each:
                at = self._components(mine, owners, first, at)
        return at + 0.12

    def _features(self, leaf, start, stop):
        title = f"{len(self.leaves[leaf].columns)} features"
        self.plates.append((start + 0.03, stop - 0.03, MIDDLE - 0.66, MIDDLE + 0.42, title, "right"))

    def _components(self, mine, owners, first, at):
        """The plate of some components, as wide as its title at least."""
        K, kinds = self.mixture.components, {type(self.leaves[i].family).__name__ for i in mine}
        many = f"components {', '.join(map(str, owners)) if len(owners) < 3 else f'{owners[0]} … {owners[-1]}'}"
        which = f"component {owners[0]}" if len(owners) == 1 else many
        rest = "" if len(owners) == K else f": {', '.join(sorted(kinds))}"
        short = which.replace("components ", "k = ").replace("component ", "k = ")
        title = which + rest
        at = max(at, first + 0.075 * len(title) + 0.25)
        self.plates.append(
            (first + 0.03, at - 0.03, MIDDLE - 0.92, MIDDLE + 0.54, title, "left", (short + rest, short))
        )
        return at

    # ---- drawing ----------------------------------------------------------------------------

    def draw(self, ax):
        for name, node in self.nodes.items():
            self._parameter(ax, name, node)
        self._rows(ax)
        for plate in self.plates:
            self._plate(ax, *plate)

    def _parameter(self, ax, name, node):
        x = self.x[name]
        if node.constant:
            ax.add_patch(Circle((x, MIDDLE), 0.06, color=INK))
            ax.text(x, MIDDLE + 0.13, node.name, ha="center", va="bottom", fontsize=9)
            ax.text(x, MIDDLE - 0.13, node.below, ha="center", va="top", fontsize=SMALL, color=GREY, bbox=BLANK,
                    zorder=3)  # fmt: skip
        else:
            self._circle(ax, x, MIDDLE, node)
            low = TOP - LINE * (len(node.prior) - 1)
            for i, line in enumerate(node.prior):
                ax.text(x, TOP - LINE * i, line, ha="center", va="center", fontsize=9 if i == 0 else SMALL,
                        color=INK if i == 0 else GREY)  # fmt: skip
            self._arrow(ax, (x, low - 0.12), (x, MIDDLE), (0, RADIUS))
        for i, lines in enumerate(node.constraints):
            y = TOP - 0.45 * i
            corner = self.corner[name] + 0.02
            ax.plot([x, corner], [MIDDLE, y], color=colour(1), lw=1.0, zorder=1)
            self.ways.append(_curve((x, MIDDLE), (corner, y)))
            ax.add_patch(Rectangle((corner - 0.06, y - 0.06), 0.12, 0.12, color=colour(1), zorder=3))
            ax.text(corner + 0.12, y, "\n".join(lines), ha="left", va="center", fontsize=SMALL, color=colour(1),
                    linespacing=1.15)  # fmt: skip
        for parent in node.parents:
            self._arrow(ax, (self.x[parent], MIDDLE), (x, MIDDLE), (RADIUS, RADIUS))

    def _rows(self, ax):
        labels = {"none": "none", "all": "all"}.get(self.data.kind_of_labels, "some")
        left = self.places[0] - self._half(self.observed[0][0]) - 0.15
        if self.mixture.components > 1:
            z = self.x["weight"]
            left = z - 0.62
            below = "" if labels == "none" else "class"
            self._circle(ax, z, BOTTOM, Node("z", filled=labels, below=below))
            reach = 0.06 if self.nodes["weight"].constant else RADIUS
            self._arrow(ax, (z, MIDDLE), (z, BOTTOM), (reach, RADIUS))
        right = self.places[-1] + self._half(self.observed[-1][0]) + 0.35
        self.plates.append((left, right, 0.1, BOTTOM + 0.52, f"rows 1 … {self.data.n}", "left"))
        for (node, own), x in zip(self.observed, self.places, strict=True):
            if node.every:
                self.plates.append(
                    (x - self._half(node), x + self._half(node) + 0.15, BOTTOM - 0.5, BOTTOM + 0.4, "", "right")
                )
            self._circle(ax, x, BOTTOM, node)
            if self.mixture.components > 1:  # a curve over the parts of x that stand between
                z = self.x["weight"]
                bend = 0.0 if x == self.places[0] else 0.95 / (x - z)
                self._arrow(ax, (z, BOTTOM), (x, BOTTOM), (RADIUS, RADIUS), bend)
            for name in (n for i in own for n in self.of_leaf.get(i, ())):
                reach = 0.06 if self.nodes[name].constant else RADIUS
                self._arrow(ax, (self.x[name], MIDDLE), (x, BOTTOM), (reach, RADIUS))

    def _circle(self, ax, x, y, node):
        _circle(ax, x, y, node)
        t = np.linspace(0, 2 * np.pi, 60)
        self.ways.append(np.stack([x + RADIUS * np.cos(t), y + RADIUS * np.sin(t)], axis=1))

    def _arrow(self, ax, a, b, shrink, bend=0.0):
        """An arrow between two centres that starts and ends at their rims; `bend` lifts its middle by half of it."""
        style = {"arrowstyle": "-|>", "mutation_scale": 11, "lw": 1.0, "color": "#555555", "zorder": 2}
        ends = {"shrinkA": 72 * shrink[0], "shrinkB": 72 * shrink[1], "connectionstyle": f"arc3,rad={-bend}"}
        ax.add_patch(FancyArrowPatch(a, b, **ends, **style))
        self.ways.append(_curve(a, b, bend))

    def _plate(self, ax, left, right, low, high, title, side, shorter=()):
        """A frame, its title in the first corner that no line crosses, or a shorter one where there is no room.

        Where lines cross every corner the words stand on white in the first.
        """
        box = FancyBboxPatch((left, low), right - left, high - low, boxstyle="round,pad=0,rounding_size=0.09",
                             facecolor="none", edgecolor=PLATE, lw=1.0, zorder=0)  # fmt: skip
        ax.add_patch(box)
        sides = ("left", "right") if side == "left" else ("right", "left")
        tried = [(t, at, v) for t in (title, *shorter) for v in ("bottom", "top") for at in sides]
        places = [(t, at, v, *self._corner(left, right, low, high, t, at, v)) for t, at, v in tried]
        free = [place for place in places if not self._crossed(place[3], LETTER * len(place[0]), place[4])]
        title, at, v, x, y = (free or places)[0]
        x, y = x + LETTER * len(title) * (at == "right"), y + LINE * (v == "top")
        corners = [(left, low), (left, high), (right, high), (right, low), (left, low)]
        self.ways += [_curve(*side) for side in pairwise(corners)]
        ax.text(x, y, title, ha=at, va=v, fontsize=SMALL, color="#4A5563", bbox=BLANK, zorder=3)

    @staticmethod
    def _corner(left, right, low, high, title, at, v):
        """Where a title in this corner of a frame begins."""
        x = left + 0.09 if at == "left" else right - 0.09 - LETTER * len(title)
        return x, low + 0.06 if v == "bottom" else high - 0.04 - LINE

    def _crossed(self, x, wide, y):
        """Whether a line runs through a title that starts at (x, y)."""
        ways = np.concatenate(self.ways)
        inside = (np.abs(ways[:, 0] - x - wide / 2) < wide / 2 + 0.05) & (np.abs(ways[:, 1] - y - LINE / 2) < LINE / 2)
        return bool(inside.any())


def _circle(ax, x, y, node):
    """A variable; half shaded where it was partly observed."""
    shade = OBSERVED if node.filled == "all" else "white"
    ax.add_patch(Circle((x, y), RADIUS, facecolor=shade, edgecolor=INK, lw=1.1, zorder=4))
    if node.filled == "some":
        ax.add_patch(Wedge((x, y), RADIUS, 180, 360, facecolor=OBSERVED, edgecolor="none", zorder=4))
        ax.add_patch(Circle((x, y), RADIUS, fill=False, edgecolor=INK, lw=1.1, zorder=5))
    path, _, name = node.name.rpartition(".") if len(node.name) > 6 else ("", "", node.name)
    ax.text(x, y - 0.04 * bool(path), name, ha="center", va="center", fontsize=min(10.5, 60 / len(name)), zorder=6)
    ax.text(x, y + 0.12, path, ha="center", va="center", fontsize=min(7.5, 62 / max(len(path), 1)), zorder=6)
    if node.below:
        ax.text(x, y - RADIUS - 0.06, node.below, ha="center", va="top", fontsize=SMALL, color=GREY, zorder=6)


def _curve(a, b, bend=0.0):
    """(200, 2) points of matplotlib's "arc3" from a to b, a quadratic Bezier curve."""
    a, b, t = np.asarray(a), np.asarray(b), np.linspace(0, 1, 200)[:, None]
    over = (a + b) / 2 - bend * np.array([b[1] - a[1], a[0] - b[0]])
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * over + t**2 * b
