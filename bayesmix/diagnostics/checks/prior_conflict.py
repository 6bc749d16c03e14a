"""Does the posterior lie where the prior expected nothing?"""

from collections import Counter

import numpy as np

from bayesmix.diagnostics.findings import Finding, check
from bayesmix.spec.priors import Flat
from bayesmix.tree import scalars

SURPRISE = 0.001  # prior probability, for all parameters of a field together, of what the posterior centres on
DRAWS = 2000  # of the prior


@check
def prior_conflict(evidence):
    """Posterior medians (the MAP for EM) among draws of their prior: tail probabilities, times how many there are.

    References: Box (1980), JRSS A 143:383-430; Evans & Moshonov (2006), Bayesian Analysis 1:893-914.
    """
    import pandas as pd

    fit = evidence.fit
    if fit is None:
        return None
    model, rng = fit.mixture, np.random.default_rng(0)
    fields = [n for n in model.parameters if not model.is_constant(n)]
    if not fields:
        return None
    draws = [model.draw_unconstrained(rng, fit.data.d) for _ in range(DRAWS)]
    prior = scalars(model, fit.data, {n: np.stack([t[n] for t in draws])[None] for n in draws[0]})
    rows, sizes = {}, Counter(name.partition("[")[0] for name in prior)
    for name, value in (evidence.relabelled if evidence.sampled else scalars(model, fit.data, fit.draws)).items():
        field = name.partition("[")[0]
        if isinstance(model.parameters[field].prior, Flat):
            continue
        centre, seen = float(np.median(value)), prior[name][0]
        rows[name] = {
            "posterior median": centre,
            "prior median": float(np.median(seen)),
            "surprise": min(1.0, 2 * sizes[field] * tail(seen, centre)),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    if table.empty or table["surprise"].min() >= SURPRISE:
        return None
    worst = table["surprise"].idxmin()
    return Finding(
        "prior-data conflict", "warning",
        f"The posterior puts {worst} at {table.loc[worst, 'posterior median']:.4g}, where its prior (median "
        f"{table.loc[worst, 'prior median']:.4g}) expected next to nothing: prior and data disagree.",
        table=table[table["surprise"] < SURPRISE],
        advice=f"Check the units of the data and the prior of `{worst.partition('[')[0]}`.",
    )  # fmt: skip


def tail(draws, value):
    """The smaller prior tail probability at a value; beyond the draws, by the exponential tail of their last 2 %.

    References: Hill (1975), Annals of Statistics 3:1163-1174, for the tail of what lies beyond the data.
    """
    if value < np.median(draws):
        draws, value = -draws, -value
    share = float((draws >= value).mean())
    if share >= 0.02:
        return share
    edge = np.quantile(draws, 0.98)
    beyond = draws[draws > edge] - edge
    heavy = np.quantile(beyond, 0.9) > 4 * np.median(beyond)  # 3.3 for an exponential tail
    if heavy or not len(beyond) or beyond.mean() == 0:
        return max(share, 1 / len(draws))
    return 0.02 * float(np.exp(-(value - edge) / beyond.mean()))
