"""Do the labelled rows lean against an order?"""

from itertools import pairwise

import numpy as np

from bayesmix.diagnostics.findings import Finding, check

LEANS = 2.0  # standard errors against the order that deserve a word; beyond 5 the model refuses the data


@check
def labels_against_order(evidence):
    """Labelled class means that contradict a hard order, by fewer standard errors than an error takes."""
    fit = evidence.fit
    label = None if fit is None else fit.mixture.log_label(fit.data)
    if label is None or fit.data.label.ndim == 2:
        return None
    worst = (LEANS, None)
    for order in fit.mixture.constraints:
        p = fit.mixture.parameters[order.field]
        if order.symmetric or not order.hard or not p.expectation:
            continue
        column = fit.data.x[:, p.features(fit.data.d)[order.by]]
        means = []
        for k in p.covers(fit.mixture.components):
            own = np.isfinite(label[:, k]) & (np.isinf(label).sum(axis=1) == fit.mixture.components - 1)
            x = column[own & ~np.isnan(column)]
            if len(x) > 1:
                means.append((k, x.mean(), x.std(ddof=1) / np.sqrt(len(x))))
        for (j, a, sa), (k, b, sb) in pairwise(means):
            if sa + sb > 0:
                worst = max(worst, ((a - b) / np.hypot(sa, sb), (order.name, j, k)), key=lambda pair: pair[0])
    if worst[1] is None:
        return None
    name, j, k = worst[1]
    return Finding(
        "labels against the order", "warning",
        f"The labelled rows put component {j} above component {k}, against {name}, by {worst[0]:.1f} standard errors.",
        advice="Check the order of the classes, or drop the order: labels already name the components.",
    )  # fmt: skip
