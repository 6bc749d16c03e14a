"""Many thetas, many rows: the draws of a posterior read the rows as one stack of components.

Every density treats the component axis as a batch, so S draws of K components are one set of S K components. For
an exponential family their densities are one product W Phi^T, in coordinates about the columns' means; a component
whose rounding error would exceed TOLERANCE there is read by `logpdf` instead.

Nothing here keeps an array of draws x components x rows beyond CELLS numbers.
"""

import numpy as np

from bayesmix.errors import InputError
from bayesmix.spec.families.composite import Composite
from bayesmix.spec.missing import column_means, patterns

CELLS = 2**21  # draws x components x rows that are held at once (16 MiB)
ROWS = 4096  # rows that are read at once where there are that many
TOLERANCE = 1e-10  # largest rounding error of a log density


def stack(fields):
    """field -> (draws, ...) from field -> (chain, draw, ...), chain by chain."""
    return {name: value.reshape(-1, *value.shape[2:]) for name, value in fields.items()}


def some(fields, draws):
    """The same fields at some of the draws."""
    return {name: value[draws] for name, value in fields.items()}


def from_vectors(mixture, u, like):
    """(field -> (draws, ...), log |d theta / d u| (draws,)) at many unconstrained coordinates u (draws, p).

    `Mixture.from_vector` and `log_jacobian` of all at once; shapes and Fixed fields come from the theta `like`.
    """
    fields, slope, at = {}, np.zeros(len(u)), 0
    for name, p in mixture.parameters.items():
        if mixture.is_constant(name):
            fields[name] = np.broadcast_to(like[name], (len(u), *like[name].shape))
            continue
        shape = like[name].shape
        free = p.support.free(shape)
        block = u[:, at : at + int(np.prod(free))].reshape(len(u), *free)
        fields[name] = p.support.from_real(block, (len(u), *shape))
        slope += p.support.log_slopes(block, (len(u), *shape)).reshape(len(u), -1).sum(axis=1)
        at += block[0].size
    return fields, slope


def to_vectors(mixture, fields):
    """Unconstrained coordinates (draws, p) of many draws: `Mixture.vector` of all at once."""
    free = {name: p for name, p in mixture.parameters.items() if not mixture.is_constant(name)}
    parts = [p.support.to_real(fields[name]).reshape(len(fields["weight"]), -1) for name, p in free.items()]
    return np.concatenate(parts, axis=1)


def log_joint(mixture, x, fields, log_label=None):
    """log w_k + log f_k(x_i) + log_label_ik of every draw, (draws, K, n); missing cells are summed out.

    fields: field -> (draws, ...), as `stack` makes them. log_label: (n, K) or None.
    A single draw is read by `Mixture.log_joint`, to the last bit.
    """
    if len(fields["weight"]) == 1:
        return mixture.log_joint(x, {name: value[0] for name, value in fields.items()}, log_label).T[None]
    own = {name: fields[name] for name in mixture.family.parameters}
    out = _density(mixture.family, x, own, mixture.components, len(fields["weight"]))
    with np.errstate(divide="ignore"):
        out += np.log(fields["weight"])[:, :, None]
    mask = mixture.family.mask(x, mixture.components)
    for term in (mask, log_label):
        if term is not None:
            out += term.T
    return out


def soften(joint):
    """Responsibilities and the row terms log sum_k exp(joint), (draws, K, n) -> the same and (draws, n).

    The responsibilities take the place of `joint`. NaN for a row that no component can have produced.
    """
    top = joint.max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        joint -= np.where(np.isfinite(top), top, 0.0)[:, None]
        np.exp(joint, out=joint)
        total = joint.sum(axis=1)
        joint /= total[:, None]
        return joint, np.where(np.isfinite(top), top + np.log(total), top)


def responsibilities(mixture, x, fields, log_label=None):
    """r (draws, K, n) and the row terms (draws, n) of some draws, the rows read in blocks."""
    draws, n = len(fields["weight"]), len(x)
    r, terms = np.empty((draws, mixture.components, n)), np.empty((draws, n))
    for at in range(0, n, ROWS):
        rows = slice(at, at + ROWS)
        label = None if log_label is None else log_label[rows]
        r[:, :, rows], terms[:, rows] = soften(log_joint(mixture, x[rows], fields, label))
    return r, terms


def by_draws(mixture, x, fields, log_label=None, cells=CELLS):
    """(slice of draws, r, row terms) in runs of draws: every run holds all rows and at most `cells` numbers of r."""
    draws, step = len(fields["weight"]), max(1, cells // (mixture.components * len(x)))
    for at in range(0, draws, step):
        run = slice(at, min(at + step, draws))
        yield run, *responsibilities(mixture, x, some(fields, run), log_label)


def by_rows(mixture, x, fields, log_label=None, cells=CELLS):
    """(slice of rows, r, row terms) in blocks of rows: every block holds all draws and at most `cells` numbers of r."""
    n, step = len(x), max(1, cells // (mixture.components * len(fields["weight"])))
    for at in range(0, n, step):
        rows = slice(at, min(at + step, n))
        label = None if log_label is None else log_label[rows]
        yield rows, *soften(log_joint(mixture, x[rows], fields, label))


def log_prior(mixture, fields):
    """log p(theta) of every draw, (draws,), constraints included.

    The priors read the draws as one stack too. Where they cannot (an array of hyperparameters with one value per
    component, say), or where a value is not finite, draws are read one by one; the first draw always is.
    """
    theta = [{name: value[s] for name, value in fields.items()} for s in range(len(fields["weight"]))]
    try:
        out = _log_prior(mixture, fields, theta)
    except (InputError, ValueError, np.linalg.LinAlgError):
        out = np.full(len(theta), np.nan)
    if not np.isclose(out[0], sum(mixture.log_prior(theta[0]).values()), rtol=TOLERANCE, atol=TOLERANCE):
        out[:] = np.nan
    for s in np.flatnonzero(~np.isfinite(out)):
        out[s] = sum(mixture.log_prior(theta[s]).values())
    return out


def _log_prior(mixture, fields, theta):
    draws = len(theta)
    out = np.array([sum(c.logp(one) for c in mixture.constraints) for one in theta], dtype=float)
    if not mixture.is_constant("weight"):
        out += mixture.weight.logp(fields["weight"], {})
    for name, p in mixture.family.parameters.items():
        if p.free:
            count = fields[name].shape[1]
            seen = mixture.family.scope(name, {other: fields[other] for other in mixture.family.parameters})
            flat = {
                other: np.broadcast_to(v, (draws, count, *v.shape[2:])).reshape(draws * count, *v.shape[2:])
                for other, v in seen.items()
                if v.shape[1] in (1, count)
            }
            value = fields[name].reshape(draws * count, *fields[name].shape[2:])
            term = np.asarray(p.prior.logp(value, flat))
            out += term.reshape(draws, -1).sum(axis=1) if term.ndim else term
    return out


def _density(family, x, fields, K, draws):
    """log f_k(x_i) of the observed cells, (draws, K, n), for fields (draws, ...)."""
    out = np.zeros((draws, K, len(x)))
    if isinstance(family, Composite):  # each member adds its part
        for part in family.parts:
            owners = slice(None) if part.owners is None else slice(part.owners[0], part.owners[-1] + 1)
            count = K if part.owners is None else len(part.owners)
            out[:, owners] += _density(part.family, part.seen(x), part.own(fields), count, draws)
        return out
    if not fields:  # nothing to estimate: all draws agree
        return out + family.log_density(x, {}).T
    flat = {
        name: np.broadcast_to(v, (draws, K, *v.shape[2:])).reshape(draws * K, *v.shape[2:])
        for name, v in fields.items()
    }
    if any(p.moves for p in family.parameters.values()):  # differences of large numbers never meet
        origin = column_means(x)
        x, flat = x - origin, family.shift(flat, -origin)
    whole = out.reshape(draws * K, len(x))
    for rows, columns in _groups(family, x):
        if columns is None:
            whole += _leaf(family, x, flat)
        elif len(columns):
            whole[:, rows] += _leaf(family.marginal(columns), x[np.ix_(rows, columns)], family.restrict(flat, columns))
    return out


def _groups(family, x):
    """[(rows, columns)] whose observed cells one reading takes; columns None where no cell is missing."""
    if not np.isnan(x).any():
        return [(slice(None), None)]
    if family.independent:
        return [(np.flatnonzero(~np.isnan(x[:, j])), np.array([j])) for j in range(x.shape[1])]
    return patterns(x)


def _leaf(family, x, theta):
    """log f of M components, (M, n), no cell missing."""
    if not family.exponential or not len(x):
        return family.logpdf(x, **theta).T
    phi = np.ascontiguousarray(family.sufficient(x).T)
    with np.errstate(all="ignore"):  # at an edge of a support W is huge or NaN, and `logpdf` takes over
        W = family.natural(np, **theta)
        exact = ~(np.finfo(float).eps * (np.abs(W) @ np.abs(phi).max(axis=1)) <= TOLERANCE)
        out = W @ phi
        out += family.base(x)
        if exact.any():
            out[exact] = family.logpdf(x, **{name: value[exact] for name, value in theta.items()}).T
    return out
