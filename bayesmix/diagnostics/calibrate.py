"""Simulation-based calibration: does a sampler return the posterior of the model that made the data?

Draw theta from the prior and data from theta, sample the posterior given the data, and count how many of its draws
lie below the truth: the rank of every quantity is uniform on 0, ..., draws if, and for most faults only if, the
sampler, the densities and the prior draws all speak of the same model.

References: Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788; Säilynoja, Bürkner & Vehtari
(2022), Statistics and Computing 32:32, for the simultaneous test of an empirical distribution function; Modrák et
al. (2023), Bayesian Analysis, for quantities that look at the data.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from bayesmix.data.data import Data
from bayesmix.em.kernel import Problem
from bayesmix.errors import InputError
from bayesmix.seed import seed_of
from bayesmix.spec.priors import Flat
from bayesmix.spec.special import logsumexp

LEVEL = 0.01  # probability that a calibrated sampler is accused, over all quantities and both tests
BINS = 10  # of the chi-squared test
SIMULATED = 20_000  # sets of uniform ranks that a p-value is counted in


@dataclass(frozen=True)
class Calibration:
    """Ranks of the truth among posterior draws: (replicates, quantities), whole numbers from 0 to `draws`."""

    ranks: np.ndarray
    quantities: tuple
    draws: int
    settings: dict

    @cached_property
    def table(self):
        """A DataFrame with one row per quantity: mean relative rank (one half when calibrated) and two p-values.

        chi2: of the ranks in ten bins. ecdf: of the largest pointwise departure of their empirical distribution.
        """
        import pandas as pd

        rows = {}
        for name, ranks in zip(self.quantities, self.ranks.T, strict=True):
            chi2, ecdf = uniformity(ranks, self.draws)
            rows[name] = {"mean rank": (ranks / self.draws).mean(), "chi2 p": chi2, "ecdf p": ecdf}
        out = pd.DataFrame.from_dict(rows, orient="index")
        out.index.name = "quantity"
        return out

    @property
    def least(self):
        """The smallest p-value times the number of tests (Bonferroni), at most 1."""
        p = self.table[["chi2 p", "ecdf p"]].to_numpy()
        return float(min(1.0, p.min() * p.size))

    @property
    def ok(self):
        """Whether no quantity departs from uniform ranks at level LEVEL over all tests."""
        return self.least >= LEVEL

    def summary(self):
        """One sentence and the table."""
        count = len(self.ranks)
        worst = self.table[["chi2 p", "ecdf p"]].min(axis=1).idxmin()
        if self.ok:
            said = (
                f"No departure from uniform ranks in {count} replicates (smallest p over all tests {self.least:.2g})."
            )
        else:
            where = self.table.loc[worst, "mean rank"]
            said = (
                f"Not calibrated: the ranks of `{worst}` are not uniform in {count} replicates (p {self.least:.1g} "
                f"over all tests; mean relative rank {where:.2f}, one half when calibrated)."
            )
        return f"{said}\n\n{self.table.to_string(float_format=lambda v: f'{v:.3f}')}"


def calibrate(
    model, data, *, truth=None, replicates=100, draws=99, thin=10, tune=200, sampler="gibbs", seed=None, progress=None
):
    """The `Calibration` of a sampler on a model: ranks of label-invariant quantities over simulated data sets.

    Args:
        model: a `Mixture` with proper priors; priors left out are derived once, from `data`.
        data: a `Data` whose shape, names, labelled rows and missing cells every simulated data set gets; its
            values are used for left-out priors alone.
        truth: the `Mixture` that theta and data are drawn from; by default the model itself. Another one asks
            how the posterior does when the model is wrong.
        replicates: number of simulated data sets.
        draws, thin, tune: posterior draws that each rank counts (draws + 1 should be a multiple of 10), how many
            sweeps or NUTS draws lie between two of them, and warm-up; each chain starts from a draw of the prior.
        sampler: as in `fit_mcmc`; "gibbs" or one of the NUTS.
        seed: any whole number; left out, a fresh one is drawn and recorded in `settings`.
        progress: called as progress(finished replicates, replicates).

    Raises:
        InputError: a prior is improper, rows have weights or soft labels, or an argument is not a whole number.

    References: Talts et al. (2018), arXiv:1804.06788, algorithm 1.
    """
    for name, value in {"replicates": replicates, "draws": draws, "thin": thin, "tune": tune}.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"calibrate({name}=...): expected a whole number of at least 1, got {value!r}.")
    model, source = model.resolve(data), (model if truth is None else truth).resolve(data)
    for name, p in source.parameters.items():
        if isinstance(p.prior, Flat):
            raise InputError(
                f"calibrate(): `{name}` has a Flat prior, from which nothing can be drawn; give a proper one."
            )
    if data.weight is not None or (data.label is not None and data.label.ndim == 2):
        raise InputError("calibrate(data): rows with weights or soft labels cannot be simulated; leave them out.")
    seed = seed_of("calibrate", seed)
    ranks, names, compiled = [], None, compiled_once(model, data, sampler)
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(replicates)):
        rng = np.random.default_rng(child)
        theta, new = simulate(source, data, rng)
        fields = posterior(model, new, rng, draws, thin, tune, sampler, compiled)
        at_truth = quantities(model, new, {name: value[None] for name, value in theta.items()})
        drawn = quantities(model, new, fields)
        names = names or tuple(drawn)
        ranks.append([rank(at_truth[name][0], drawn[name], rng) for name in names])
        if progress is not None:
            progress(number + 1, replicates)
    settings = {"seed": seed, "sampler": sampler, "draws": draws, "thin": thin, "tune": tune, "n": data.n}
    return Calibration(np.array(ranks), names, draws, settings)


def simulate(model, data, rng):
    """theta from the prior, constraints included, and a Data of the same form as `data` from that theta."""
    theta = model.draw_prior(rng, data.d)
    z = rng.choice(model.components, size=data.n, p=theta["weight"] / theta["weight"].sum())
    x = model.family.draw(z, rng, **model.own(theta))
    x = np.where(np.isnan(data.x), np.nan, x)
    label = None
    if data.label is not None:
        label = np.where(data.label >= 0, model.component_classes[z], -1)
    return theta, Data(x, label=label, names=data.names)


def posterior(model, data, rng, draws, thin, tune, sampler, compiled=None):
    """field -> (draws, ...) of one chain from a draw of the prior, every `thin`-th kept.

    compiled: for "nutpie", what `compiled_once` made for data of this form.
    """
    from bayesmix.mcmc.chains import Job
    from bayesmix.mcmc.gibbs import chain, refuse
    from bayesmix.mcmc.sample import fit_mcmc

    seed = int(rng.integers(2**31))
    if sampler not in ("gibbs", "nutpie"):
        fit = fit_mcmc(
            model, data, draws=draws * thin, tune=tune, chains=1, start="prior", sampler=sampler, seed=seed, workers=1
        )
        return {name: value[0, thin - 1 :: thin] for name, value in fit.draws.items()}
    problem, start = Problem.of(model, data), model.draw_prior(rng, data.d)
    rest = data, [start], np.array([seed]), draws * thin, tune, None, 1, model.components * data.n
    if sampler == "gibbs":
        refuse(problem)
        drawn = chain(problem, start, seed, Job(model, *rest))
    else:
        from bayesmix.mcmc.samplers import nutpie_sampler

        density = model.to_pymc(data)
        compiled.read(density)
        drawn = nutpie_sampler(Job(density, *rest), compiled).one(0, None, None)
    fields = {name: value[thin - 1 :: thin] for name, value in drawn.draws.items()}
    known = {name: value for name, value in start.items() if name not in fields}
    return fields | {name: np.broadcast_to(v, (draws, *v.shape)) for name, v in known.items()}


def compiled_once(model, data, sampler):
    """The posterior compiled for nutpie, to be given other data of the same form; None for the other samplers."""
    if sampler != "nutpie":
        return None
    from bayesmix.mcmc.samplers import Compiled

    return Compiled.of(model.to_pymc(data), model.draw_prior(np.random.default_rng(0), data.d))


def quantities(model, data, fields):
    """name -> (draws,) of what relabelling does not change, for fields (draws, ...)."""
    label, out = model.log_label(data), []
    for s in range(len(fields["weight"])):
        theta = {name: value[s] for name, value in fields.items()}
        row = {
            "log likelihood": logsumexp(model.log_joint(data.x, theta, label), axis=1).sum(),
            "log prior": sum(model.log_prior(theta).values()),
        }
        if not model.is_constant("weight"):
            row["largest weight"] = theta["weight"].max()
        if model.family.expectation is not None:
            means = model.family.expected_row(model.own(theta))
            row["mean of x"] = theta["weight"] @ means[:, 0]
            row["range of the means"] = np.ptp(means[:, 0])
        out.append(row)
    return {name: np.array([row[name] for row in out]) for name in out[0]}


def rank(truth, draws, rng):
    """How many draws lie below the truth, ties broken at random."""
    return int((draws < truth).sum() + rng.integers((draws == truth).sum() + 1))


def uniformity(ranks, draws):
    """(chi-squared p, simultaneous ECDF p) of ranks that should be uniform on 0, ..., draws.

    Both statistics are compared with those of SIMULATED sets of uniform ranks, so that neither p relies on an
    approximation for large numbers. The ECDF's statistic is Säilynoja et al.'s gamma: the smallest two-sided
    binomial tail probability over all points of evaluation.
    """
    count = len(ranks)
    chi2, gamma = _statistics(np.asarray(ranks)[None], draws)
    null_chi2, null_gamma = _null(count, draws)
    high = (1 + (null_chi2 >= chi2[0] * (1 - 1e-12)).sum()) / (1 + SIMULATED)
    low = (1 + (null_gamma <= gamma[0] * (1 + 1e-12)).sum()) / (1 + SIMULATED)
    return float(high), float(low)


@lru_cache(maxsize=4)
def _null(count, draws):
    rng, parts = np.random.default_rng(0), []
    for _ in range(SIMULATED // 1000):
        parts.append(_statistics(rng.integers(0, draws + 1, size=(1000, count)), draws))
    return tuple(np.concatenate(v) for v in zip(*parts, strict=True))


def _statistics(ranks, draws):
    """chi2 and gamma of each line of ranks (sets, count)."""
    from scipy.special import bdtr, bdtrc

    sets, count = ranks.shape
    table = np.zeros((sets, draws + 1))
    np.add.at(table, (np.arange(sets)[:, None], ranks), 1.0)
    edges = np.linspace(0, draws + 1, BINS + 1).round().astype(int)
    bins = np.add.reduceat(table, edges[:-1], axis=1)
    expected = count * np.diff(edges) / (draws + 1)
    below = table.cumsum(axis=1)[:, :-1].astype(int)
    p, possible = np.arange(1, draws + 1) / (draws + 1), np.arange(count + 1)[:, None]
    lower = bdtr(possible.astype(float), count, p)  # P(Bin <= R)
    upper = np.vstack([np.ones(draws), bdtrc(possible[:-1].astype(float), count, p)])  # P(Bin >= R)
    tail = 2 * np.minimum(lower, upper)
    return ((bins - expected) ** 2 / expected).sum(axis=1), tail[below, np.arange(draws)].min(axis=1)
