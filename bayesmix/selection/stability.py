"""Stability: does the same number of components find the same groups in another sample?

Rows are drawn with replacement, the model is fitted anew from starts of its own, and both fits classify all rows;
the criterion is the mean adjusted Rand index of the two partitions. It looks at the grouping alone: a wrong K can be
stable, so that it can speak against a K, not for one.

References: Hubert & Arabie (1985), J. Classification 2:193-218; Fang & Wang (2012), Computational Statistics & Data
Analysis 56:468-477; Hennig (2007), Computational Statistics & Data Analysis 52:258-271.
"""

import numpy as np

from bayesmix.diagnostics.compare import adjusted_rand
from bayesmix.selection.criteria import MISSING, Cell, criterion
from bayesmix.selection.refit import refit, resampled


@criterion("stability", meaning="mean adjusted Rand index of refits to resampled rows; 1 is the same grouping")
def stability(subject):
    count = subject.plan["stability"]
    if not count:
        return MISSING
    if subject.model.components == 1:
        return Cell(np.nan, reason="One component: there is nothing to group.")
    own = subject.em.predict_proba().argmax(axis=1)
    found, lost = [], 0
    for child in np.random.SeedSequence(subject.seeds["stability"]).spawn(count):
        rng = np.random.default_rng(child)
        fit = refit(subject.model, resampled(subject.data, rng), rng, subject.plan["refit_restarts"])
        if fit is None:
            lost += 1
            continue
        found.append(adjusted_rand(own, classes_of(subject.model, subject.data, fit.theta)))
    if len(found) < 2:
        return Cell(np.nan, reason=f"{lost} of {count} refits collapsed.")
    return Cell(float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found))), subject.em_fault)


def classes_of(model, data, theta):
    """The class that theta finds most probable for each row, its label used where it is known."""
    from bayesmix.predict import by_class

    joint = model.log_joint(data.x, theta, model.log_label(data))
    r = np.exp(joint - joint.max(axis=1, keepdims=True))
    return by_class(model, r.T).T.argmax(axis=1)
