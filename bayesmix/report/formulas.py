"""The model in formulas: lines of text in which `_{...}` is an index, as the page prints them."""

import re

import numpy as np

from bayesmix.report.graph import leaves_of
from bayesmix.report.words import prior_text
from bayesmix.spec.priors import Fixed, Flat

LONG = 72  # letters of a prior beyond which the table of priors has it in full


def formulas(mixture, data):
    """How the data came about, the priors, the constraints, and the log posterior that both engines climb."""
    K, n = mixture.components, data.n
    leaves = leaves_of(mixture.family, K, data.d)
    lines = []
    if K > 1:
        weight = "weight" if not mixture.is_constant("weight") else _constant(mixture.parameters["weight"].prior)
        lines.append(f"z_{{i}} ~ Categorical({weight}),   i = 1, …, {n}")
    lines += [_rows(mixture, data, leaf, K) for leaf in leaves]
    lines += [_prior(mixture, name) for name in mixture.parameters if name != "weight" or K > 1]
    lines += [_constraint(mixture, data, c) for c in mixture.constraints]
    times = "ω_{i} " if data.weight is not None else ""
    over = "Σ_{k allowed by label i}" if data.is_labelled else "Σ_{k}"
    row = f"log {over} weight_{{k}} p(x_{{i}} | θ_{{k}})" if K > 1 else "log p(x_{i} | θ)"
    lines.append(f"log p(θ | x) = Σ_{{i}} {times}{row} + Σ log p(priors){_walls(mixture)} + constant")
    return tuple(lines)


def markup(text):
    """Such a line as HTML, its indices set below the line."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"_\{([^}]*)\}", r"<sub>\1</sub>", str(escape(text)).replace("   ", "&emsp;")))


def _rows(mixture, data, leaf, K):
    """The line of the rows that one family describes: which components, which columns, which parameters."""
    fields = ", ".join(name if mixture.parameters[name].shared else f"{name}_{{k}}" for name in leaf.fields)
    columns = ""
    if len(leaf.columns) < data.d:
        names = [data.names[j] for j in leaf.columns]
        columns = "[" + ", ".join(names if len(names) <= 3 else [names[0], "…", names[-1]]) + "]"
    given = " | z_{i} = k" if K > 1 else ""
    which = ""
    if len(leaf.owners) < K:
        which = f",   k = {leaf.owners[0]}" + (f", …, {leaf.owners[-1]}" if len(leaf.owners) > 1 else "")
    return f"x_{{i}}{columns}{given} ~ {type(leaf.family).__name__}({fields}){which}"


def _prior(mixture, name):
    """The line of one field's prior."""
    p = mixture.parameters[name]
    left = name if name == "weight" or p.shared else f"{name}_{{k}}"
    if mixture.is_constant(name):
        return f"{left} = {_constant(p.prior)}"
    if isinstance(p.prior, Flat):
        return f"p({left}) ∝ 1"
    text = prior_text(p.prior)
    return f"{left} ~ {text if len(text) <= LONG else type(p.prior).__name__ + '(…)'}"


def _constant(prior):
    value = np.asarray(prior.value) if isinstance(prior, Fixed) else np.ones(())
    shown = {"float_kind": lambda v: f"{v:.4g}"}
    text = np.array2string(value, separator=", ", threshold=6, formatter=shown).replace("\n", "")
    return text if len(text) <= LONG else "known"


def _constraint(mixture, data, c):
    """The line of an order or a floor, with the way it is enforced."""
    if not hasattr(c, "by"):
        return f"weight_{{k}} ≥ {c.floor:g}   ({c.enforce})"
    names = dict(enumerate(data.names[j] for j in mixture.parameters[c.field].features(data.d)))
    by = "" if c.by is None else f"[{names.get(c.by, c.by)}]"
    last = mixture.components - 1
    middle = " < … < " if last > 1 else " < "
    return f"{c.field}_{{0}}{by}{middle}{c.field}_{{{last}}}{by}   ({c.enforce})"


def _walls(mixture):
    return (
        " + Σ log sigmoid(distance to the wall / width)"
        if any(c.enforce == "soft" for c in mixture.constraints)
        else ""
    )
