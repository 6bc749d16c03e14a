"""What is wrong with a theta: the parameter and the row at fault, as the rest of a sentence."""

import numpy as np


@np.errstate(all="ignore")  # what overflows here is what is looked for
def fault(problem, theta):
    """Why the log posterior at theta (coordinates of the data) is no finite number, or None where it is one."""
    for name, value in theta.items():
        if not np.isfinite(value).all():
            return entries(name, value, ~np.isfinite(value))
    outside = "; ".join(wrong(problem.mixture, theta))
    try:
        inner = problem.inward(theta)
        _, rows = problem.responsibilities(inner)
        terms = problem.mixture.log_prior(inner)
    except np.linalg.LinAlgError as error:
        return f"{outside or 'a matrix cannot be factored'} ({error})"
    because = f": {outside}" if outside else ""
    weighed = np.ones(len(rows)) if problem.weight is None else problem.weight
    bad = np.flatnonzero(~np.isfinite(rows) & (weighed > 0))
    if len(bad):
        row = bad[0]
        because = because or blamed(problem, inner, theta, row)
        return f"the log density of row {row} is {shown(rows[row])}{because}"
    for name, term in terms.items():
        if not np.isfinite(term):
            return f"the log density of {name!r} is {shown(term)}{because}"
    return None


def wrong(model, theta):
    """Every field that leaves its support, as name[component] = value."""
    weight = theta["weight"]
    if not model.is_constant("weight") and (weight <= 0).any():
        yield entries("weight", weight, weight <= 0)
    for name, p in model.family.parameters.items():
        value = theta[name]
        if p.support.contains(value):
            continue
        inside = np.array([p.support.contains(event) for event in value])
        yield entries(name, value, ~inside.reshape(-1, *[1] * (value.ndim - 1)) & alone(p.support, value))


def alone(support, value):
    """Which single entries are outside, where the support judges entries one by one; else all."""
    if support.event_ndim:
        return np.ones(value.shape, dtype=bool)
    flat = [support.contains(np.array([v])) for v in value.ravel()]
    return ~np.array(flat, dtype=bool).reshape(value.shape)


def entries(name, value, bad):
    """The bad entries, at most three, as name[i, j] = value."""
    bad = np.broadcast_to(bad, value.shape)
    where = np.argwhere(bad)
    said = [f"{name}[{', '.join(map(str, at))}] = {value[tuple(at)]:.6g}" for at in where[:3]]
    return ", ".join(said) + (f" and {len(where) - 3} more" if len(where) > 3 else "")


def blamed(problem, inner, theta, row):
    """The component that spoils a row, with its parameters."""
    joint = np.asarray(problem.log_joint(inner, slice(row, row + 1)))[:, 0] if problem.parts is None else np.array([])
    spoilt = np.flatnonzero(np.isnan(joint))
    if len(spoilt) == 0:
        return ", since no component has a density there" if len(joint) and (joint == -np.inf).all() else ""
    k = spoilt[0]
    fields = problem.mixture.family.parameters
    own = [f"{n}[{k}] = {np.array2string(theta[n][k if len(theta[n]) > 1 else 0], precision=6)}" for n in fields]
    return f" in component {k}, where {', '.join(own)}"


def shown(number):
    """nan as NaN, the infinities as they are."""
    return "NaN" if np.isnan(number) else f"{number:g}".replace("inf", "infinity")
