"""What both engines return."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bayesmix.agreement import Certificate
from bayesmix.data.data import Data
from bayesmix.errors import InputError
from bayesmix.spec.missing import filled
from bayesmix.spec.mixture import Mixture
from bayesmix.spec.special import logsumexp


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
        """The EM census as a DataFrame: one row per distinct optimum, best first."""
        import pandas as pd

        rows = [m.row() for m in self.optima]
        best = rows[0]["log_posterior"] if rows else 0.0
        frame = pd.DataFrame(rows)
        if rows:
            frame.insert(2, "gap", best - frame["log_posterior"])
        frame.index.name = "mode"
        return frame

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

    def _rows(self, x):
        """(rows, log_label) for new x, or the fit's own rows with their labels when x is None."""
        if x is None:
            return self.data.x, self._log_label
        new = x if isinstance(x, Data) else Data(x)
        if new.d != self.data.d:
            raise InputError(f"predict(x): the model has {self.data.d} features {self.data.names}, x has {new.d}.")
        if new.missing and not self.mixture.family.marginalises:
            family = type(self.mixture.family).__name__
            raise InputError(
                f"predict(x): x has missing cells, which {family} does not support; drop or fill these rows."
            )
        self.mixture.family.check(filled(new.x), self.data.names)
        return new.x, None

    def _responsibilities(self, theta, x, log_label=None):
        joint = self.mixture.log_joint(x, theta, log_label)
        return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))

    @property
    def class_names(self):
        """Names of the columns of `predict_proba`."""
        return self.mixture.class_names(self.data)

    def _by_class(self, r):
        classes = self.mixture.component_classes
        return np.stack([r[:, classes == c].sum(axis=1) for c in range(classes.max() + 1)], axis=1)

    def predict_proba(self, x=None, interval=None):
        """Probability of each class (or component) for each row, averaged over relabelled draws.

        Args:
            x: (m, d) new rows; None for the fit's own rows, whose labels are then used.
            interval: for an MCMC fit, a probability such as 0.9: an xarray Dataset with `mean`, `lower`
                and `upper` (dims row, class) comes back, the equal-tailed interval over the posterior.

        Returns:
            (m, number of classes) array, rows summing to one.
        """
        if interval is None:
            return np.array(self._own_proba) if x is None else self._mean_proba(*self._rows(x))
        rows, log_label = self._rows(x)
        if not 0 < interval < 1:
            raise InputError(f"predict_proba(interval={interval!r}): expected a probability between 0 and 1.")
        if self.engine == "em":
            raise InputError("predict_proba(interval=...): an EM fit is one point; use an MCMC fit for an interval.")
        import xarray as xr

        tail = (1 - interval) / 2
        parts = []
        for block in range(0, len(rows), 256):
            part = slice(block, block + 256)
            label = None if log_label is None else log_label[part]
            p = np.stack([self._by_class(self._responsibilities(t, rows[part], label)) for t in self.thetas()])
            parts.append(np.concatenate([p.mean(axis=0)[None], np.quantile(p, [tail, 1 - tail], axis=0)]))
        mean, lower, upper = np.concatenate(parts, axis=1)
        dims = ("row", "class")
        return xr.Dataset(
            {"mean": (dims, mean), "lower": (dims, lower), "upper": (dims, upper)},
            coords={"row": np.arange(len(rows)), "class": list(self.class_names)},
        )

    def _mean_proba(self, rows, log_label):
        total = 0.0
        for theta in self.thetas():
            total = total + self._by_class(self._responsibilities(theta, rows, log_label))
        return total / np.prod(self.shape)

    @cached_property
    def _own_proba(self):
        if "allocation" in self.groups:
            return self._by_class(self.groups["allocation"]["probability"].values)
        return self._mean_proba(*self._rows(None))

    def predict(self, x=None):
        """The most probable class name of each row (component numbers where no names were given)."""
        winner = self.predict_proba(x).argmax(axis=1)
        named = self.mixture.log_label(self.data) is not None and self.data.classes
        return np.array(self.class_names)[winner] if named else winner

    def log_density(self, x=None):
        """log p(x_i), (m,): at `best` for EM, the posterior predictive log density for MCMC.

        For the fit's own rows (x None) the labels count: log p(x_i, label_i).
        """
        rows, log_label = self._rows(x)
        total = np.full(len(rows), -np.inf)
        for theta in self.thetas():
            total = np.logaddexp(total, logsumexp(self.mixture.log_joint(rows, theta, log_label), axis=1))
        return total - np.log(np.prod(self.shape))

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
        rows, log_label = self._rows(x)
        gap = np.isnan(rows)
        at = np.flatnonzero(gap.any(axis=1))
        part, label = rows[at], None if log_label is None else log_label[at]
        if draws is not None:
            if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
                raise InputError(f"impute(draws=...): expected a whole number of at least 1, got {draws!r}.")
            rng, out = np.random.default_rng(seed), np.repeat(rows[None], draws, axis=0)
            for one in out:
                theta = self.theta(*(rng.integers(size) for size in self.shape))
                with np.errstate(divide="ignore"):
                    log_r = np.log(self._responsibilities(theta, part, label))
                z = (log_r + rng.gumbel(size=log_r.shape)).argmax(axis=1)
                one[at] = self.mixture.family.draw_missing(part, z, rng, self.mixture.own(theta))
            return out
        total = np.zeros(part.shape)
        for theta in self.thetas():
            for block in range(0, len(part), 4096):
                i = slice(block, block + 4096)
                r = self._responsibilities(theta, part[i], None if label is None else label[i])
                total[i] += np.einsum("nk,knd->nd", r, self.mixture.family.fill(part[i], self.mixture.own(theta)))
        out = np.array(rows)
        out[gap] = (total / np.prod(self.shape))[gap[at]]
        return out

    def simulate(self, n, seed=None):
        """x (n, d) and z (n,) from the fitted model: at `best` for EM, posterior predictive for MCMC."""
        rng = np.random.default_rng(seed)
        chains, draws = self.shape
        x, z = np.empty((n, self.data.d)), np.empty(n, dtype=np.int64)
        which = rng.integers(chains * draws, size=n)
        for i in np.unique(which):
            rows = np.flatnonzero(which == i)
            theta = self.theta(*divmod(int(i), draws))
            z[rows] = rng.choice(self.mixture.components, size=len(rows), p=theta["weight"] / theta["weight"].sum())
            x[rows] = self.mixture.family.draw(z[rows], rng, **self.mixture.own(theta))
        return x, z

    def co_clustering(self):
        """P(z_i = z_j | data), (n, n): label invariant, averaged over the draws; ones on the diagonal."""
        total = np.zeros((self.data.n, self.data.n))
        for theta in self.thetas(relabelled=False):
            r = self._responsibilities(theta, self.data.x, self._log_label)
            total += r @ r.T
        total /= np.prod(self.shape)
        np.fill_diagonal(total, 1.0)
        return total

    # ---- storage and summary ----------------------------------------------------------------

    @cached_property
    def tree(self):
        """Everything as an ArviZ-ready xarray DataTree (built on first use)."""
        from bayesmix.store import to_tree

        return to_tree(self)

    def save(self, path):
        """Write the fit to a netCDF file that plain ArviZ opens; returns the path."""
        from bayesmix.store import save

        return save(self, path)

    @cached_property
    def _deviations(self):
        from bayesmix.em.laplace import standard_deviations
        from bayesmix.store import derived_scalars, scalars

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

        from bayesmix.store import derived_scalars, scalars

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
        what = f"{len(self.optima)} optima" if self.engine == "em" else f"{chains} chains x {draws} draws"
        return (
            f"Fit({self.engine}, {type(self.mixture.family).__name__}, K = {self.mixture.components}, "
            f"n = {self.data.n}, {what}, log posterior {self.log_posterior:.4f})"
        )
