"""What a fit says of rows: probabilities with their uncertainty, density, imputation, simulation, allocations.

Each function takes a `Fit` and is the body of its method of the same name, where the arguments are explained.
"""

import numpy as np

from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.seed import generator, seed_of
from bayesmix.spec import many
from bayesmix.spec.missing import filled


def rows_of(fit, x, what="predict"):
    """(rows, log_label) for new x, or the fit's own rows with their labels when x is None."""
    if x is None:
        return fit.data.x, fit._log_label
    x = in_order(x, fit.data.names, what)
    new = x if isinstance(x, Data) else Data(x)
    if new.d != fit.data.d:
        raise InputError(f"{what}(x): the model has {fit.data.d} features {fit.data.names}, x has {new.d}.")
    if new.missing and not fit.mixture.family.marginalises:
        family = type(fit.mixture.family).__name__
        raise InputError(f"{what}(x): x has missing cells, which {family} does not support; drop or fill these rows.")
    fit.mixture.family.check(filled(new.x), fit.data.names)
    return new.x, None


def in_order(x, names, what):
    """x with its columns in the fit's order, where it names them; as it is where one of the two has no names.

    Raises InputError where the names say that these are other columns.
    """
    if not isinstance(x, Data) and not hasattr(x, "columns"):
        return x
    labels = list(x.names if isinstance(x, Data) else x.columns)
    given, blank = [str(label) for label in labels], [f"x{j}" for j in range(len(labels))]
    if set(names) <= set(given):
        at = [given.index(name) for name in names]
        if at == list(range(len(labels))):
            return x
        return Data(x.x[:, at], names=names) if isinstance(x, Data) else x[[labels[j] for j in at]]
    own = list(names) != [f"x{j}" for j in range(len(names))]
    if own and given != blank and any(isinstance(label, str) for label in labels):
        raise InputError(
            f"{what}(x): the model has the features {', '.join(names)}, x has the columns {', '.join(given)}; "
            "name them alike, or give an array."
        )
    return x


def by_class(mixture, r):
    """Probabilities of the components (..., K, n) summed to those of the classes (..., C, n)."""
    classes = mixture.component_classes
    return (np.arange(classes.max() + 1)[:, None] == classes) @ r


def mean_components(fit, rows, log_label):
    """(K, m) probabilities of the components, averaged over the relabelled draws."""
    total = 0.0
    for _, r, _ in many.by_draws(fit.mixture, rows, many.stack(fit.relabelled), log_label):
        total = total + r.sum(axis=0)
    return total / np.prod(fit.shape)


def proba(fit, x):
    """`Fit.predict_proba` without an interval."""
    if x is None and "allocation" in fit.groups:
        return by_class(fit.mixture, fit.groups["allocation"]["probability"].values.T).T
    return by_class(fit.mixture, mean_components(fit, *rows_of(fit, x, "predict_proba"))).T


def proba_interval(fit, x, interval):
    """The Dataset of `Fit.predict_proba(x, interval=...)`."""
    rows, log_label = rows_of(fit, x, "predict_proba")
    if isinstance(interval, bool) or not 0 < interval < 1:
        raise InputError(f"predict_proba(interval={interval!r}): expected a probability between 0 and 1.")
    if fit.engine == "em":
        raise InputError("predict_proba(interval=...): an EM fit is one point; use an MCMC fit for an interval.")
    import xarray as xr

    tails = [(1 - interval) / 2, (1 + interval) / 2]
    names = ("mean", "lower", "upper", "overlap", "parameter")
    out = {name: np.empty((len(rows), len(fit.class_names))) for name in names}
    expected = np.empty(len(rows))
    for block, r, _ in many.by_rows(fit.mixture, rows, many.stack(fit.relabelled), log_label):
        p = np.ascontiguousarray(by_class(fit.mixture, r).transpose(2, 1, 0))  # (rows, classes, draws)
        expected[block] = entropy(p, axis=1).mean(axis=1)
        out["mean"][block] = p.mean(axis=2)
        out["overlap"][block] = (p * (1 - p)).mean(axis=2)
        out["parameter"][block] = p.var(axis=2)
        out["lower"][block], out["upper"][block] = np.quantile(p, tails, axis=2, overwrite_input=True)
    whole = entropy(out["mean"], axis=1)
    variables = {name: (("row", "class"), value) for name, value in out.items()} | {
        "entropy": ("row", whole),
        "expected_entropy": ("row", expected),
        "mutual_information": ("row", whole - expected),
    }
    coords = {"row": np.arange(len(rows)), "class": list(fit.class_names)}
    return xr.Dataset(variables, coords=coords, attrs={"interval": float(interval)})


def entropy(p, axis):
    """-sum p log p in nats, 0 log 0 = 0."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=axis)


def log_density(fit, x):
    """log of the mean over the draws of p(x_i | theta), (m,)."""
    rows, log_label = rows_of(fit, x, "log_density")
    total = np.full(len(rows), -np.inf)
    for _, _, terms in many.by_draws(fit.mixture, rows, many.stack(fit.draws), log_label):
        total = np.logaddexp(total, np.logaddexp.reduce(terms, axis=0))
    return total - np.log(np.prod(fit.shape))


def pointwise(fit, rows):
    """`Fit.pointwise`."""
    at = np.arange(fit.data.n)[slice(None) if rows is None else rows]
    label = None if fit._log_label is None else fit._log_label[at]
    out = np.empty((int(np.prod(fit.shape)), len(at)))
    for run, _, terms in many.by_draws(fit.mixture, fit.data.x[at], many.stack(fit.draws), label):
        out[run] = terms if fit.data.weight is None else terms * fit.data.weight[at]
    return out.reshape(*fit.shape, len(at))


def impute(fit, x, draws, seed):
    """`Fit.impute`."""
    rows, log_label = rows_of(fit, x, "impute")
    gap = np.isnan(rows)
    at = np.flatnonzero(gap.any(axis=1))
    part, label = rows[at], None if log_label is None else log_label[at]
    family = fit.mixture.family
    if draws is not None:
        whole("impute(draws=...)", draws)
        rng, out = generator("impute", seed), np.repeat(rows[None], draws, axis=0)
        for one in out:
            theta = fit.theta(*(rng.integers(size) for size in fit.shape))
            with np.errstate(divide="ignore"):
                log_r = np.log(fit._responsibilities(theta, part, label))
            z = (log_r + rng.gumbel(size=log_r.shape)).argmax(axis=1)
            one[at] = family.draw_missing(part, z, rng, fit.mixture.own(theta))
        return out
    total = np.zeros(part.shape)
    for theta in fit.thetas():
        for block in range(0, len(part), many.ROWS):
            i = slice(block, block + many.ROWS)
            r = fit._responsibilities(theta, part[i], None if label is None else label[i])
            total[i] += np.einsum("nk,knd->nd", r, family.fill(part[i], fit.mixture.own(theta)))
    out = np.array(rows)
    out[gap] = (total / np.prod(fit.shape))[gap[at]]
    return out


def simulate(fit, n, seed):
    """`Fit.simulate`."""
    whole("simulate(n=...)", n)
    rng = generator("simulate", seed)
    chains, draws = fit.shape
    x, z = np.empty((n, fit.data.d)), np.empty(n, dtype=np.int64)
    which = rng.integers(chains * draws, size=n)
    for i in np.unique(which):
        rows = np.flatnonzero(which == i)
        theta = fit.theta(*divmod(int(i), draws))
        z[rows] = rng.choice(fit.mixture.components, size=len(rows), p=theta["weight"] / theta["weight"].sum())
        x[rows] = fit.mixture.family.draw(z[rows], rng, **fit.mixture.own(theta))
    return x, z


def allocations(fit, which, rng):
    """z (len(which), n), relabelled: one allocation of every row from each of the numbered draws (chain by chain)."""
    fields, K = many.stack(fit.relabelled), fit.mixture.components
    out = np.empty((len(which), fit.data.n), dtype=np.min_scalar_type(K - 1))
    for run, r, _ in many.by_draws(fit.mixture, fit.data.x, many.some(fields, which), fit._log_label):
        up = np.cumsum(r, axis=1)
        dart = rng.random((len(r), 1, fit.data.n)) * up[:, -1:]
        out[run] = (up[:, :-1] <= dart).sum(axis=1)
    return out


def draw_allocations(fit, draws, seed):
    """`Fit.draw_allocations`."""
    import xarray as xr

    whole("draw_allocations(draws=...)", draws)
    seed = seed_of("draw_allocations", seed)
    rng, (chains, length) = np.random.default_rng(seed), fit.shape
    kept = evenly(length, draws)
    which = (np.arange(chains)[:, None] * length + kept).ravel()
    z = allocations(fit, which, rng).reshape(chains, len(kept), fit.data.n)
    coords = {"chain": np.arange(chains), "draw": kept, "obs": np.arange(fit.data.n)}
    return xr.Dataset({"z": (("chain", "draw", "obs"), z)}, coords=coords, attrs={"seed": int(seed)})


def evenly(length, most):
    """At most `most` of range(length), evenly spaced."""
    return np.arange(length) if length <= most else np.linspace(0, length - 1, most).astype(int)


def whole(what, value):
    """Raise InputError unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{what}: expected a whole number of at least 1, got {value!r}.")
