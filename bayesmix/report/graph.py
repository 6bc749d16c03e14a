"""The model as a directed graph with plates: what there is to draw, before anything is placed on a page."""

from dataclasses import dataclass

import numpy as np

from bayesmix.spec.families.composite import Composite
from bayesmix.spec.families.hierarchical import Hierarchical
from bayesmix.spec.priors import Fixed, Flat, Prior
from bayesmix.spec.priors.unknown import Given


@dataclass(frozen=True)
class Leaf:
    """A family that is not a composite, in its place: the components and columns it covers, its fields by full name."""

    family: object
    owners: tuple
    columns: tuple
    fields: tuple


@dataclass(frozen=True)
class Node:
    """A variable. `filled`: the share of it that was observed, "none", "some" or "all"; `constant`: known, a dot."""

    name: str
    prior: tuple = ()  # lines of text
    constant: bool = False
    filled: str = "none"
    below: str = ""
    each: bool = False  # one for each component of its leaf
    every: bool = False  # one for each column of its leaf
    constraints: tuple = ()  # lines of text of each
    parents: tuple = ()  # fields that its prior reads
    direct: bool = True  # whether x depends on it, not only through other fields


def leaves_of(family, K, d):
    """The leaves of a family, a composite's members in order."""
    if isinstance(family, Hierarchical):
        near = sorted(family.parameters, key=lambda n: not isinstance(family.parameters[n].prior, Given))
        return [Leaf(family.inner, tuple(range(K)), tuple(range(d)), tuple(near))]
    if not isinstance(family, Composite):
        return [Leaf(family, tuple(range(K)), tuple(range(d)), tuple(family.parameters))]
    out = []
    for part in family.parts:
        k = K if part.owners is None else len(part.owners)
        m = d if part.columns is None else len(part.columns)
        for leaf in leaves_of(part.family, k, m):
            owners = leaf.owners if part.owners is None else tuple(part.owners[i] for i in leaf.owners)
            columns = leaf.columns if part.columns is None else tuple(part.columns[j] for j in leaf.columns)
            out.append(Leaf(leaf.family, owners, columns, tuple(part.names[n] for n in leaf.fields)))
    return out


def parameter_node(mixture, leaf, name):
    """The node of one field."""
    p = mixture.parameters[name]
    spread = name != "weight" and not p.isotropic and p.dims == ("feature",)
    read = p.prior.names.values() if isinstance(p.prior, Given) else ("cov", "var", "sd", "scale")
    reads = p.prior.reads_scale and leaf is not None
    return Node(
        name,
        () if mixture.is_constant(name) else prior_lines(p.prior),
        constant=mixture.is_constant(name),
        below=constant_text(p.prior) if isinstance(p.prior, Fixed) else "",
        each=name != "weight" and not p.shared,
        every=spread and leaf is not None and leaf.family.independent and len(leaf.columns) > 1,
        constraints=tuple(constraint_lines(c) for c in mixture.constraints if c.field == name),
        parents=tuple(n for n in leaf.fields if mixture.parameters[n].own in read) if reads else (),
        direct=leaf is None or p.own in leaf.family.parameters,
    )


def known_nodes(leaf):
    """The constants of a family that are no fields, such as the value of a point mass."""
    known = {n: v for n, v in vars(leaf.family).items() if isinstance(v, np.ndarray)}
    return [Node(name, constant=True, below=f"= {short(value)}", each=True) for name, value in known.items()]


def prior_lines(prior):
    """The prior in a few short lines: its name, then each hyperparameter."""
    if isinstance(prior, Flat):
        return ("Flat",)
    prior = prior.prior if isinstance(prior, Given) else prior
    lines = [type(prior).__name__]
    for name, value in vars(prior).items():
        if isinstance(value, np.ndarray):
            lines.append(f"{name} {short(value)}")
        elif isinstance(value, Prior):
            lines.append(f"{name} ?")
    return tuple(lines)


def short(value):
    """A hyperparameter in about a dozen letters."""
    if value.ndim > 1 and value.shape[-1] > 1:
        return " × ".join(map(str, value.shape))
    text = [f"{v:.3g}".replace("-", "−") for v in value.ravel()]
    out = ", ".join(text)
    return out if len(out) <= 14 else f"{text[0]}, …, {text[-1]}" if len(text) > 2 else out


def constant_text(prior):
    """The value of a Fixed field."""
    return f"= {short(prior.value)}"


def constraint_lines(c):
    """What a constraint asks for, and how it is enforced."""
    return ("increasing" if hasattr(c, "by") else f"≥ {c.floor:g}", c.enforce)


def observed_nodes(mixture, data, leaves):
    """[(Node, indices of its leaves)]: x, split into columns that different members describe."""
    groups = {}
    for j in range(data.d):
        own = tuple(i for i, leaf in enumerate(leaves) if j in leaf.columns)
        groups.setdefault(own, []).append(j)
    out = []
    for own, columns in groups.items():
        gaps = np.isnan(data.x[:, columns]).any()
        every = len(columns) > 1 and all(leaves[i].family.independent for i in own)
        names = [data.names[j] for j in columns]
        below = ", ".join(names) if len(", ".join(names)) <= 22 else f"{names[0]}, … {names[-1]}"
        out.append((Node("x", filled="some" if gaps else "all", below=below, each=True, every=every), own))
    return out
