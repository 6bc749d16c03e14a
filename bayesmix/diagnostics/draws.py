"""`diagnose_draws`: what can be said of draws without a specification, by the same checks and the same table."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import factorial, prod

import numpy as np

from bayesmix.diagnostics import components, convergence
from bayesmix.diagnostics.arguments import flat, numbers
from bayesmix.diagnostics.diagnose import Diagnosis
from bayesmix.diagnostics.evidence import Evidence
from bayesmix.diagnostics.findings import CHECKS, LEVELS, VERDICTS
from bayesmix.diagnostics.invariants import QUANTILES, ordinal, quantile_rows
from bayesmix.diagnostics.posterior import Draws, opened
from bayesmix.diagnostics.relabel import Relabelled, result
from bayesmix.diagnostics.relabelling import METHODS
from bayesmix.errors import InputError
from bayesmix.fit import Fit

LEAST = 10  # draws per chain; of ten, two chains of one law are apart once in C(20, 10) / 2 = 92378 pairs
APART = 0.99  # P(draw of one chain > draw of another) from which two chains are in different regions
MOST = 200  # scalars of one variable; a variable with more is no parameter to watch one by one
ADVICE = {
    "convergence": "Draw more, after a longer warm-up; if it persists, reconsider K or the priors.",
    "effective size": "Draw more, by a multiple of the present number.",
    "several modes": "Report each group of chains by itself and do not average over them; written as a bm.Mixture, "
    "bm.fit_em finds the optima and bm.diagnose weighs them.",
    "switching": "Read bm.relabel(...).posterior or label-invariant summaries; raw averages per component mean nothing "
    "here.",
    "ambiguous names": "Use label-invariant summaries (the density, who is with whom), or fit fewer components.",
    "finite draws": "Find the cause and sample again.",
    "degenerate": "Fit fewer components, or give the weights a larger Dirichlet concentration.",
    "divergences": "Raise the target acceptance rate to 0.99; if they persist, reparametrise, or fit fewer components.",
}


@dataclass(frozen=True, eq=False)
class DrawsEvidence:
    """What `Evidence` says of a fit, as far as draws alone tell: the attributes that the checks read.

    Without a specification `fit`, `matching` and whatever else `Evidence` offers is None. Two chains are in one region
    unless some invariant of one exceeds that of the other in 99 % of all pairs of draws, directly or through others;
    one that has not settled is in none.
    """

    source: Draws
    names: Relabelled
    invariants: dict
    raw: dict
    relabelled: dict
    probabilities: np.ndarray | None = None  # (draws, n, K)

    fit = None
    sampled = True

    def __getattr__(self, name):
        if hasattr(Evidence, name):
            return None
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def shape(self):
        return self.source.shape

    @cached_property
    def table(self):
        return convergence.table({"invariant": self.invariants, "relabelled": self.relabelled, "raw": self.raw})

    @property
    def permutation(self):
        return self.names.permutation.values

    @property
    def relabelings(self):
        return prod(factorial(len(block)) for block in self.source.material.blocks)

    @property
    def ambiguous(self):
        return None if self.names.certainty is None else self.names.ambiguous

    @cached_property
    def regions_of_chains(self):
        values = [v for v in self.invariants.values() if np.isfinite(v).all()]
        if self.shape[1] < LEAST:
            return np.zeros(self.shape[0], dtype=int)
        region = np.arange(self.shape[0])
        for a in range(self.shape[0]):
            for b in range(a):
                if not any(_apart(v[a], v[b]) for v in values):
                    region[region == region[a]] = region[b]
        return np.where(self.settled, region, -1)

    @cached_property
    def settled(self):
        return convergence.settled(self.invariants, self.shape)

    @property
    def sample_stats(self):
        stats = opened(self.source.given)[1].get("sample_stats", {})
        return {name: stats[name].values for name in stats}

    @cached_property
    def components(self):
        material = self.source.material
        if self.probabilities is None and material.allocations is None:
            return None
        some = np.unique(np.linspace(0, material.T - 1, min(components.DRAWS, material.T)).astype(int))
        p, z = self.probabilities, material.allocations
        rows = (np.eye(material.K)[z[t]] if p is None else p[t] for t in some)
        return components.components_of(rows, some // self.shape[1])


def diagnose_draws(
    posterior,
    dim="component",
    *,
    log_likelihood=None,
    log_posterior=None,
    allocations=None,
    probabilities=None,
    weight=None,
    data=None,
    method=None,
    by=None,
    blocks=None,
):
    """The Diagnosis of draws from any program, by the checks and the table of `bm.diagnose`.

    The invariants are the log posterior, the log likelihood and its value at five rows, the sorted weights, and of
    the allocations the share of pairs of rows that are together and the Rand index with the partition of the best
    draw: as many of them as can be had. Chains whose invariants hardly overlap are in different regions. Which optima
    there are besides, and what they weigh, only a specification can tell (`bm.diagnose`).

    Args:
        posterior, dim, allocations, probabilities, data, by, blocks: as for `bm.relabel`. Allocations or
            probabilities also show empty and twin components.
        log_likelihood: (chain, draw, obs) log p(x_i | theta), or its sum (chain, draw), z summed out: an array, a
            DataArray or the name of a variable; by default the one variable of the group `log_likelihood`.
        log_posterior: (chain, draw); by default `log_posterior`, `lp` or `logp` of the group `sample_stats`.
        weight: the name of the mixing weights; by default the variable of one number per component that is
            positive and sums to one.
        method: of `bm.relabel`; by default the first one that has what it needs: "ecr" (allocations and log
            posterior), "ecr-iterative" (allocations), "stephens" (probabilities), "order" (`by`), "pivot" (log
            posterior or log likelihood).

    Raises:
        InputError: something does not fit, or there is nothing to relabel by.
    """
    if isinstance(posterior, Fit):
        raise InputError("diagnose_draws(posterior): a bayesmix fit says more; use bm.diagnose(fit).")
    given = {"allocations": allocations, "probabilities": probabilities, "log_posterior": log_posterior}
    source = Draws.of(posterior, dim, given, data, by, blocks)
    rows = likelihood(source, log_likelihood)
    total = None if rows is None else rows.reshape(source.material.T, -1).sum(axis=1)
    known = source.material.log_posterior is not None
    material = source.material if known else replace(source.material, log_posterior=total)
    p = flat("probabilities", probabilities, source.dataset, source.shape, source.dims, material.K)
    name, source = chosen(material, method), replace(source, material=material)
    names = result(source, name, {name: METHODS[name].run(material)})
    left_out = {v for v in (*given.values(), log_likelihood) if isinstance(v, str)}
    evidence = DrawsEvidence(
        source=source,
        names=names,
        invariants=invariants(source, rows, known, weight),
        raw=scalars(source, source.dataset, left_out),
        relabelled=scalars(source, opened(names.posterior)[0], left_out),
        probabilities=p,
    )
    found = [f for f in (check(evidence) for check in CHECKS) if f is not None]
    found = [replace(f, advice=ADVICE.get(f.name, f.advice) if f.advice else "") for f in found]
    rank = {v: i for i, v in enumerate(VERDICTS)}
    found.sort(key=lambda f: (-LEVELS.index(f.level), rank.get(f.verdict, len(rank))))
    return Diagnosis(tuple(found), evidence)


def chosen(material, method):
    """The name of the method: the one asked for, or the first that has what it needs."""
    if not (method is None or (isinstance(method, str) and method in METHODS)):
        raise InputError(f"diagnose_draws(method={method!r}): expected one of {tuple(METHODS)}.")
    for name in ("ecr", "ecr-iterative", "stephens", "order", "pivot") if method is None else (method,):
        if all(getattr(material, need) is not None for need in METHODS[name].needs):
            return name
    raise InputError(
        f"diagnose_draws({'' if method is None else f'method={method!r}'}): there is nothing to relabel the draws by; "
        "give allocations, probabilities, log_posterior, log_likelihood, or by=... (a variable to order by)."
    )


def likelihood(source, value):
    """The pointwise log likelihood (chain, draw, n), its sum (chain, draw), or None."""
    import xarray as xr

    if value is None:
        group = opened(source.given)[1].get("log_likelihood")
        if group is None or len(group) != 1:
            return None
        value = next(iter(group.values()))
    if isinstance(value, str):
        if value not in source.dataset:
            names = list(source.dataset)
            raise InputError(
                f"diagnose_draws(log_likelihood={value!r}): the posterior has no such variable, only {names}."
            )
        value = source.dataset[value]
    if isinstance(value, xr.DataArray):
        if not {"chain", "draw"} <= set(value.dims):
            raise InputError(f"diagnose_draws(log_likelihood=...): expected dims chain and draw, got {value.dims}.")
        value = value.transpose("chain", "draw", ...).values
    value = numbers("log_likelihood", value).astype(float)
    if value.shape[:2] != source.shape or not value.size:
        raise InputError(
            f"diagnose_draws(log_likelihood=...): expected the shape {(*source.shape, 'n')} or {source.shape}, got "
            f"{value.shape}."
        )
    return value if value.ndim == 2 else value.reshape(*source.shape, -1)


def invariants(source, rows, has_posterior, weight):
    """name -> (chain, draw): what no relabelling can change, as far as it can be had."""
    material, shape, out = source.material, source.shape, {}
    if has_posterior:
        out["log posterior"] = material.log_posterior.reshape(shape)
    if rows is not None:
        out["log likelihood"] = rows if rows.ndim == 2 else rows.sum(axis=2)
    weights = mixing_weights(source, weight)
    if weights is not None:
        weights = np.sort(weights, axis=2)
        for k in range(material.K - 1):
            out[f"{ordinal(k)} smallest weight".strip()] = weights[..., k]
    if rows is not None and rows.ndim == 3:
        n = rows.shape[2]
        if material.data is not None and len(material.data) == n:
            at = quantile_rows(material.data)
        else:  # rows from the least to the most typical
            at = np.argsort(rows.mean(axis=(0, 1)), kind="stable")[np.round(np.array(QUANTILES) * (n - 1)).astype(int)]
        for q, i in zip(QUANTILES, at, strict=True):
            out[f"log density at the {q:.0%} row"] = rows[..., i]
    if material.allocations is not None and material.allocations.shape[1] > 1:
        pairs, rand = together(material)
        out["share of pairs of rows together"] = pairs.reshape(shape)
        out["Rand index with the best draw"] = rand.reshape(shape)
    return out


def mixing_weights(source, weight):
    """(chain, draw, K) of the named variable, or of the one that is positive and sums to one; None if there is none."""
    if weight is not None and weight not in source.dataset:
        raise InputError(f"diagnose_draws(weight={weight!r}): the posterior has no such variable.")
    for name in source.dataset if weight is None else [weight]:
        v = source.dataset[name]
        own = [d for d in v.dims if d in source.dims]
        if v.ndim != 3 or len(own) != 1:
            continue
        values = v.transpose("chain", "draw", own[0]).values
        known = values[np.isfinite(values).all(axis=2)]
        if len(known) and (known >= 0).all() and np.allclose(known.sum(axis=1), 1.0, rtol=0, atol=1e-6):
            return values
    if weight is not None:
        raise InputError(
            f"diagnose_draws(weight={weight!r}): expected one positive number per component, summing to one."
        )
    return None


def together(material):
    """(T,) the share of pairs of rows with one component, and the Rand index with the partition of the pivot draw."""
    groups, n = material.groups, material.groups.shape[2]
    crossed = groups.against(groups.at(material.pivot))  # (T, K of the pivot, K of the draw) rows in common
    pairs = n * (n - 1) / 2

    def chosen_two(count):
        return (count * (count - 1) / 2).reshape(len(count), -1).sum(axis=1)

    same, own = chosen_two(crossed.sum(axis=1)), chosen_two(crossed)
    theirs = chosen_two(crossed.sum(axis=2))
    return same / pairs, 1 - (same + theirs - 2 * own) / pairs


def scalars(source, dataset, left_out):
    """name[labels] -> (chain, draw) of every variable; those along the rows, or of more than 200 numbers, left out."""
    material, out = source.material, {}
    sizes = {len(v[0]) for v in (material.allocations,) if v is not None}
    sizes |= {len(material.data)} if material.data is not None else set()
    for name, v in dataset.data_vars.items():
        further = [d for d in v.dims if d not in ("chain", "draw")]
        along_rows = any(v.sizes[d] in sizes for d in further if d not in source.dims)
        if name in left_out or v.dtype.kind not in "fiu" or not {"chain", "draw"} <= set(v.dims) or along_rows:
            continue
        values = v.transpose("chain", "draw", *further).values
        if np.prod(values.shape[2:]) <= MOST:
            for index in np.ndindex(values.shape[2:]):
                label = ", ".join(str(v[d].values[i]) for d, i in zip(further, index, strict=True))
                out[f"{name}[{label}]" if label else name] = values[(slice(None), slice(None), *index)]
    return out


def _apart(a, b):
    """Whether hardly any draw of one chain lies on the other's side."""
    b = np.sort(b)
    below, upto = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    above = float(((below + upto) / 2).mean() / len(b))
    return max(above, 1 - above) > APART
