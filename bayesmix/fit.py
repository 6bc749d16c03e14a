"""What both engines return."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from bayesmix import clusters, predict
from bayesmix.agreement import Certificate
from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.spec.mixture import Mixture
from bayesmix.tree import derived_scalars, save, scalars, to_tree


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A fitted mixture: specification, data and results of one engine.

    engine: "em" or "mcmc". mixture: the specification with every default written out as numbers.
    draws: field -> (chain, draw, ...), component axis third; an EM fit is one with a single draw.
    log_posteriors: (chain, draw), natural coordinates, comparable between the engines.
    permutation: (chain, draw, K), relabelled component k holds old component permutation[k].
    optima: the EM census, best first. runs: the EM restarts. settings: how it was made (plain values).
    groups: further xarray Datasets by name. partial: whether Ctrl-C ended it early.
    """

    engine: str
    mixture: Mixture
    data: Data
    draws: dict
    log_posteriors: np.ndarray
    permutation: np.ndarray
    settings: dict
    certificate: Certificate
    optima: tuple = ()
    runs: tuple = ()
    groups: dict = field(default_factory=dict)

    # ---- the best ---------------------------------------------------------------------------

    @cached_property
    def best(self):
        """theta of the best mode (EM) or of the draw with the highest log posterior (MCMC)."""
        c, s = np.unravel_index(np.nanargmax(self.log_posteriors), self.log_posteriors.shape)
        return self.theta(c, s, relabelled=True)

    @property
    def log_posterior(self):
        """The log posterior at `best`."""
        return float(np.nanmax(self.log_posteriors))

    @cached_property
    def log_likelihood(self):
        """The row terms alone, at `best`."""
        if self._sampled:
            return self.optima[0].log_likelihood
        return float(self.data.row_weight @ self.log_density())

    @property
    def df(self):
        """Number of free parameters."""
        return self.mixture.df(self.data.d)

    @property
    def bic(self):
        """df log(sum of row weights) - 2 log likelihood; smaller is better (mclust prints the negative)."""
        self._only_em("bic")
        total = self.settings["chunks"]["weight"] if self._sampled else self.data.row_weight.sum()
        return float(self.df * np.log(total) - 2 * self.log_likelihood)

    @property
    def icl(self):
        """BIC - 2 sum_i weight_i log max_k r_ik; smaller is better (mclust prints the negative)."""
        self._only_em("icl")
        if self._sampled:
            raise InputError("Fit.icl: it needs every row, and this fit holds a sample of them; use bic.")
        r = self._responsibilities(self.best, self.data.x, self._log_label)
        return float(self.bic - 2 * self.data.row_weight @ np.log(r.max(axis=1)))

    @property
    def _sampled(self):
        """Whether `data` is a sample of the rows that were fitted (they were read in chunks)."""
        return self.settings.get("chunks", {}).get("rows", self.data.n) > self.data.n

    @property
    def distortion(self):
        """Mean squared distance of a row to the mean of its most probable component; k-means minimises it."""
        centre = self.mixture.family.expectation
        if centre is None:
            raise InputError(f"Fit.distortion: {type(self.mixture.family).__name__} has no field that is its mean.")
        z = self._responsibilities(self.best, self.data.x, self._log_label).argmax(axis=1)
        away = ((self.data.x - self.best[centre][z]) ** 2).sum(axis=1)
        return float(self.data.row_weight @ away / self.data.row_weight.sum())

    def _only_em(self, name):
        if self.engine != "em":
            raise InputError(f"Fit.{name}: defined at a maximum, so only for an EM fit; use bm.fit_em.")

    @property
    def modes(self):
        """The EM census as a DataFrame: one row per distinct optimum, best first.

        Where EM climbed at another stiffness than 1, as k-means does, the first column is the `objective` that it
        climbed, by which the optima are ranked and whose `gap` to the best is given.
        """
        import pandas as pd

        frame = pd.DataFrame([m.row() for m in self.optima])
        if len(frame):
            climbed = self._objectives
            rank = frame["log_posterior"] if climbed is None else pd.Series(climbed)
            frame.insert(2, "gap", rank[0] - rank)
            if climbed is not None:
                frame.insert(0, "objective", rank)
        frame.index.name = "mode"
        return frame

    @property
    def _objectives(self):
        """What EM climbed at each optimum, where that is not the log posterior; else None."""
        if not self.runs or str(self.settings.get("stiffness", 1.0)).split(", ")[-1] == "1.0":
            return None
        return [
            np.inf if m.kind == "collapsed" else max(self.runs[i].trace[-1, 0] for i in m.restarts) for m in self.optima
        ]

    def start_of(self, mode=0):
        """The theta at which the first restart that led to this optimum began; `fit_em(start=...)` climbs it again."""
        self._only_em("start_of")
        if not 0 <= mode < len(self.optima):
            raise InputError(f"Fit.start_of({mode!r}): expected a row of `fit.modes`, 0..{len(self.optima) - 1}.")
        given, first = self.settings.get("start_theta"), self.optima[mode].start
        if given is not None:
            return {name: np.array(value) for name, value in given.items()}
        from bayesmix.em.kernel import Problem
        from bayesmix.em.starts import draw

        child = np.random.SeedSequence(self.settings["seed"], spawn_key=(first,))
        return draw(self.settings["start"], Problem.of(self.mixture, self.data), np.random.default_rng(child))

    # ---- draws ------------------------------------------------------------------------------

    @property
    def shape(self):
        """(chains, draws)."""
        return self.log_posteriors.shape

    def theta(self, chain, draw, relabelled=True):
        """theta of one draw; relabelled to the reference by default."""
        theta = {name: value[chain, draw] for name, value in self.draws.items()}
        return self.mixture.permute(theta, self.permutation[chain, draw]) if relabelled else theta

    def thetas(self, relabelled=True):
        """All draws as dicts, chain by chain."""
        for c, s in np.ndindex(*self.shape):
            yield self.theta(c, s, relabelled)

    @cached_property
    def relabelled(self):
        """field -> (chain, draw, ...) after relabelling."""
        if (self.permutation == np.arange(self.mixture.components)).all():
            return self.draws
        return self.mixture.permute(self.draws, self.permutation)

    # ---- what it says of rows ---------------------------------------------------------------

    @cached_property
    def _log_label(self):
        return self.mixture.log_label(self.data)

    def _responsibilities(self, theta, x, log_label=None):
        return self.mixture.responsibilities(x, theta, log_label)

    @property
    def class_names(self):
        """Names of the columns of `predict_proba`."""
        return self.mixture.class_names(self.data)

    def _by_class(self, r):
        return predict.by_class(self.mixture, r.T).T

    def predict_proba(self, x=None, interval=None):
        """Probability of each class (or component) for each row, averaged over relabelled draws.

        Args:
            x: (m, d) new rows, cells may be missing; None for the fit's own rows, whose labels are then used.
            interval: for an MCMC fit, a probability such as 0.9: an xarray Dataset comes back instead. With
                p_c the probability of class c in one draw, and E, Var over the draws, it holds for each row and
                class `mean` E[p_c], the equal-tailed interval `lower`, `upper`, and the two parts of the variance
                of the indicator of class c, by the law of total variance: `overlap` E[p_c (1 - p_c)], which more
                data cannot remove, and `parameter` Var[p_c], which they can; their sum is mean (1 - mean). And for
                each row, in nats, `entropy` H(E[p]) = `expected_entropy` E[H(p)] (overlap) + `mutual_information`
                (parameters).

        Returns:
            (m, number of classes) array, rows summing to one; or the Dataset, dims row and class.

        References: Depeweg et al. (2018), ICML, PMLR 80:1184-1193, eqs. (1) and (7), for the decompositions.
        """
        if interval is not None:
            return predict.proba_interval(self, x, interval)
        return np.array(self._own_proba) if x is None else predict.proba(self, x)

    @cached_property
    def _own_proba(self):
        return predict.proba(self, None)

    def predict(self, x=None):
        """The most probable class name of each row (component numbers where no names were given)."""
        winner = self.predict_proba(x).argmax(axis=1)
        named = self.mixture.log_label(self.data) is not None and self.data.classes
        return np.array(self.class_names)[winner] if named else winner

    def log_density(self, x=None):
        """log p(x_i), (m,): at `best` for EM, the posterior predictive log density for MCMC.

        Missing cells are summed out. For the fit's own rows (x None) the labels count: log p(x_i, label_i).
        """
        return predict.log_density(self, x)

    def pointwise(self, rows=None):
        """weight_i log p(x_i, label_i | theta) of every draw, (chain, draw, rows): the row terms of the log posterior.

        The tree's `log_likelihood` holds them for all rows, of every draw or, in large fits, of evenly spaced ones.

        Args:
            rows: indices of some of the fit's rows; None for all (chains x draws x n numbers).
        """
        return predict.pointwise(self, rows)

    def impute(self, x=None, draws=None, seed=None):
        """x with every missing cell filled, (m, d); observed cells are returned as they came.

        A gap gets E[cell | the row's observed cells], sum_k r_ik E[cell | observed cells, k]: at `best` for
        EM, averaged over the draws for MCMC.

        Args:
            x: (m, d) rows with missing cells; None for the fit's own, whose labels are then used.
            draws: a number of random completions instead, (draws, m, d): each draws z and then the cells
                (for MCMC from one posterior draw per completion), so that their spread is the uncertainty.
            seed: of these draws.
        """
        return predict.impute(self, x, draws, seed)

    def simulate(self, n, seed=None):
        """x (n, d) and z (n,) from the fitted model: at `best` for EM, posterior predictive for MCMC."""
        return predict.simulate(self, n, seed)

    def draw_allocations(self, draws=100, seed=None):
        """Draws of z given the data: an xarray Dataset with `z` (chain, draw, obs), labelled as `relabelled`.

        Args:
            draws: evenly spaced posterior draws per chain that get an allocation (all, if there are no more).
            seed: of these draws, recorded in `attrs`. `fit.with_groups(allocation_draws=...)` keeps them in the fit.
        """
        return predict.draw_allocations(self, draws, seed)

    def co_clustering(self):
        """P(z_i = z_j | data), (n, n): label invariant, averaged over the draws; ones on the diagonal."""
        return clusters.co_clustering(self)

    def partition(self, loss="vi", draws=500, seed=None):
        """The `Partition` of the rows with the least posterior expected loss: one clustering to report.

        Unlike `predict` it looks at no labels of components, and the number of clusters is part of the answer.

        Args:
            loss: "vi", the variation of information in nats, averaged over draws of z (Monte Carlo, not its
                lower bound); or "binder", the number of pairs of rows treated differently, from the co-clustering
                probabilities (from the draws of z beyond 2000 rows).
            draws: how many draws of z; fewer where draws x n would exceed 2^25. For EM they come from r.
            seed: of these draws and of the search; left out, a fresh one is drawn and recorded in `.seed`.

        Returns:
            an object with `labels` (n,), `expected_loss`, `clusters`, `losses`, `ball(level)`.

        References: Wade & Ghahramani (2018), Bayesian Analysis 13:559-626; Dahl, Johnson & Mueller (2022), J. Comp.
        Graph. Statistics 31:1189-1201 (the search).
        """
        return clusters.partition(self, loss, draws, seed)

    # ---- storage and summary ----------------------------------------------------------------

    def with_groups(self, **groups):
        """The same fit with further xarray Datasets in its tree, by the name of their group; saved and loaded with it.

        Raises InputError for a name that the tree already has.
        """
        taken = sorted(set(groups) & set(self.tree.children))
        if taken:
            raise InputError(f"with_groups({taken[0]}=...): the tree already has this group; choose another name.")
        return replace(self, groups=self.groups | groups)

    @cached_property
    def tree(self):
        """Everything as an ArviZ-ready xarray DataTree (built on first use)."""
        return to_tree(self)

    def save(self, path):
        """Write the fit to a netCDF file that plain ArviZ opens; returns the path."""
        return save(self, path)

    @cached_property
    def _deviations(self):
        from bayesmix.em.laplace import standard_deviations

        def numbers(theta):
            fields = {name: value[None, None] for name, value in theta.items()}
            both = scalars(self.mixture, self.data, fields) | derived_scalars(self.mixture, self.data, fields)
            return {name: float(value[0, 0]) for name, value in both.items()}

        return standard_deviations(self, numbers)

    def standard_deviations(self):
        """A Series of the Laplace standard deviation of each scalar of `summary()`, in natural coordinates.

        It is named `standard error` when every prior is Flat (the inverse of the observed information), else `sd`.
        NaN at a boundary or an empty component; `attrs["reason"]` then says why, and is "" otherwise.
        EM fits only; `bm.bootstrap` needs no quadratic approximation.
        """
        import pandas as pd

        from bayesmix.em.laplace import is_maximum_likelihood

        self._only_em("standard_deviations")
        values, reason = self._deviations
        out = pd.Series(values, name="standard error" if is_maximum_likelihood(self.mixture) else "sd", dtype=float)
        out.attrs["reason"] = reason
        return out

    def summary(self):
        """A DataFrame with one row per scalar: value and sd (EM), or posterior mean, sd, 90 % interval (MCMC).

        The sd of an EM fit is Laplace's (`standard_deviations`), and is called `standard error` when every prior
        is Flat. The parameters come first, then what the family derives from them (the sd of a `var`, say),
        marked in the column `derived`.
        """
        import pandas as pd

        rows, arguments = {}, (self.mixture, self.data, self.relabelled)
        own = scalars(*arguments)
        spread = self.standard_deviations() if self.engine == "em" else None
        for name, value in (own | derived_scalars(*arguments)).items():
            if spread is not None:
                rows[name] = {"value": float(value[0, 0]), spread.name: spread[name]}
            else:
                low, high = np.quantile(value, [0.05, 0.95])
                rows[name] = {"mean": value.mean(), "sd": value.std(ddof=1), "5%": low, "95%": high}
            rows[name]["derived"] = name not in own
        out = pd.DataFrame.from_dict(rows, orient="index")
        if spread is not None:
            out.attrs["reason"] = spread.attrs["reason"]
        return out

    def __repr__(self):
        chains, draws = self.shape
        count = f"{len(self.optima)} optim{'um' if len(self.optima) == 1 else 'a'}"
        what = count if self.engine == "em" else f"{chains} chains x {draws} draws"
        return (
            f"Fit({self.engine}, {self.mixture.family.title}, K = {self.mixture.components}, "
            f"n = {self.data.n}, {what}, log posterior {self.log_posterior:.4f})"
        )
