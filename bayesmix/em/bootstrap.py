"""`bootstrap`: how the maximum moves from sample to sample, each replicate relabelled before it is summarised.

References: Efron & Tibshirani (1993), An Introduction to the Bootstrap, sections 6.2 and 13.3;
O'Hagan, Murphy, Scrucca & Gormley (2019), Computational Statistics 34:1779-1813, for mixtures, where
replicates start at the fit and labels are matched to it.
"""

from dataclasses import dataclass, field

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em import engine, modes, polish
from bayesmix.em.kernel import Problem
from bayesmix.em.progress import meter
from bayesmix.errors import InputError
from bayesmix.seed import seed_of

SAME, OTHER, LOST = "same mode", "another mode", "collapsed"
OPTIONS = {"stiffness": 1.0, "max_iter": 2000, "tol": 1e-8, "keep": False}


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Refits of resampled data, relabelled to the fit.

    draws: field -> (replicates, ...), NaN where a replicate collapsed. status: per replicate, whether it belongs
    to the mode of the fit, to another one, or collapsed. log_posterior: (replicates,), each on its own data.
    """

    fit: object = field(repr=False)
    draws: dict = field(repr=False)
    status: np.ndarray = field(repr=False)
    log_posterior: np.ndarray = field(repr=False)
    parametric: bool
    seed: int

    @property
    def replicates(self):
        """Number of replicates."""
        return len(self.status)

    @property
    def changed(self):
        """Share of the replicates that ended in another mode than the fit's."""
        return float(np.mean(self.status == OTHER))

    @property
    def collapsed(self):
        """Share of the replicates that collapsed, which no summary counts."""
        return float(np.mean(self.status == LOST))

    @property
    def dataset(self):
        """The draws as an xarray Dataset, dims replicate, component, feature."""
        from bayesmix.tree import dataset

        return dataset(self.fit.mixture, self.fit.data, self.draws, ("replicate",))

    def _scalars(self, same_mode):
        """name -> (replicates kept,), derived quantities included, and the names of the parameters."""
        from bayesmix.tree import derived_scalars, scalars

        keep = self.status == SAME if same_mode else self.status != LOST
        if keep.sum() < 2:
            raise InputError(f"Bootstrap: only {keep.sum()} of {self.replicates} replicates are left to summarise.")
        fields = {name: value[None, keep] for name, value in self.draws.items()}
        model, data = self.fit.mixture, self.fit.data
        own = scalars(model, data, fields)
        both = own | derived_scalars(model, data, fields)
        return {name: value[0] for name, value in both.items()}, set(own)

    def summary(self, probability=0.9, same_mode=False):
        """A DataFrame with one row per scalar: value at the fit, bootstrap mean, sd and percentile interval.

        probability: of the equal-tailed interval. same_mode: count only replicates in the mode of the fit;
        otherwise all that did not collapse count, and `changed` says how many belong to another mode.
        """
        import pandas as pd

        if not 0 < probability < 1:
            raise InputError(f"Bootstrap.summary({probability!r}): expected a probability between 0 and 1.")
        values, own = self._scalars(same_mode)
        at = self.fit.summary()["value"]
        tail = (1 - probability) / 2
        rows = {}
        for name, value in values.items():
            low, high = np.quantile(value, [tail, 1 - tail])
            rows[name] = {"value": at[name], "mean": value.mean(), "sd": value.std(ddof=1)}
            rows[name] |= {f"{100 * tail:g}%": low, f"{100 * (1 - tail):g}%": high, "derived": name not in own}
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def sd(self):
        """The bootstrap standard deviation of each scalar of `summary()`, a Series."""
        return self.summary()["sd"]

    def intervals(self, probability=0.9):
        """The percentile interval of each scalar, a DataFrame of two columns."""
        return self.summary(probability).iloc[:, 3:5]


def bootstrap(fit, replicates=200, seed=None, workers=1, parametric=False, progress=None):
    """How the maximum varies from sample to sample: refits of resampled rows, started at the fit and relabelled.

    Rows are drawn with replacement (a multinomial count for each, in proportion to the row weights), or
    simulated from the fitted model when `parametric`. Each replicate climbs from the fit's theta, and its
    components are matched to the fit's, within exchangeable blocks, by the responsibilities both give to the
    rows of the fit. It belongs to the mode of the fit if, from there, EM on the rows of the fit returns to it.

    Args:
        fit: an EM `Fit`. Its priors stay as they are, written out as numbers.
        replicates: how many.
        seed: any whole number; left out, a fresh one is drawn and recorded.
        workers: processes; the result does not depend on it.
        parametric: simulate new rows instead; for fits without labels.
        progress: as for `fit_em`.

    Returns:
        A `Bootstrap` with `draws`, `sd`, `intervals()`, `summary()`, `changed` and `collapsed`.

    Raises:
        InputError: the fit is not an EM fit, or an argument is wrong.

    References: O'Hagan, Murphy, Scrucca & Gormley (2019), Computational Statistics 34:1779-1813.
    """
    if getattr(fit, "engine", None) != "em":
        raise InputError("bootstrap(fit): expected an EM fit; an MCMC fit has its posterior draws.")
    for name, value in {"replicates": replicates, "workers": workers}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"bootstrap({name}=...): expected a whole number of at least 1, got {value!r}.")
    labelled = fit.mixture.log_label(fit.data) is not None
    if parametric and labelled:
        raise InputError("bootstrap(parametric=True): the fit has labels, which a simulation does not; resample rows.")
    seed = seed_of("bootstrap", seed)
    children = np.random.SeedSequence(seed).spawn(replicates)
    home = Problem.of(fit.mixture, fit.data)
    found = []
    with meter(progress, "bootstrap replicates") as step:
        if workers > 1 and replicates > 1:
            from joblib import Parallel, delayed

            jobs = (delayed(_replicate)(fit, home, child, parametric) for child in children)
            results = Parallel(n_jobs=workers, return_as="generator")(jobs)
        else:
            results = (_replicate(fit, home, child, parametric) for child in children)
        for result in results:
            found.append(result)
            step(len(found), replicates)
    draws = {name: np.stack([theta[name] for theta, _, _ in found]) for name in fit.best}
    status, value = np.array([s for _, s, _ in found]), np.array([v for _, _, v in found])
    return Bootstrap(fit, draws, status, value, bool(parametric), seed)


def _replicate(fit, home, child, parametric):
    """(theta relabelled to the fit, status, log posterior on its own rows)."""
    rng = np.random.default_rng(child)
    data = _simulated(fit, rng) if parametric else _resampled(fit.data, rng)
    problem = Problem.of(fit.mixture, data)
    run = engine.run(problem, fit.best, **polish.before(problem, OPTIONS))
    run = polish.finish(problem, run, OPTIONS)
    if run.status in (engine.COLLAPSED, engine.FALL):
        return {name: np.full(np.shape(v), np.nan) for name, v in fit.best.items()}, LOST, np.nan
    theta = run.theta
    if all(c.symmetric for c in fit.mixture.constraints):  # an order has named the components already
        theta = fit.mixture.permute(theta, modes.match(home, fit.best, theta))
    back = polish.finish(home, engine.run(home, theta, **polish.before(home, OPTIONS)), OPTIONS)
    same = back.status != engine.COLLAPSED and modes.alike(home, fit.optima[0], back)
    return theta, SAME if same else OTHER, run.log_posterior


def _resampled(data, rng):
    """Rows with multinomial counts as row weights; rows that were not drawn are left out."""
    weight = data.row_weight
    total = round(float(weight.sum()))
    count = rng.multinomial(max(total, 1), weight / weight.sum())
    rows = np.flatnonzero(count)
    label = None if data.label is None else data.label[rows]
    return Data(data.x[rows], label, count[rows].astype(float), data.names, data.classes or None)


def _simulated(fit, rng):
    """New rows from the fitted model, as many as the row weights count."""
    total = max(round(float(fit.data.row_weight.sum())), 1)
    return Data(fit.simulate(total, rng)[0], names=fit.data.names)
