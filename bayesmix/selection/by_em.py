"""Criteria at the maximum that EM found: the likelihood and its penalties.

    AIC = 2 df - 2 log L,   BIC = df log(sum of row weights) - 2 log L,   ICL = BIC - 2 sum_i weight_i log max_k r_ik

log L is the log likelihood at the maximum of the log posterior, which with flat priors is its own maximum. mclust
prints BIC and ICL with the other sign; ICL is the form it uses, in which every row is assigned to its best component.

References: Akaike (1974), IEEE Trans. Automatic Control 19:716-723; Schwarz (1978), Annals of Statistics 6:461-464;
Biernacki, Celeux & Govaert (2000), IEEE PAMI 22:719-725; Fraley & Raftery (2007), J. Classification 24:155-181, for
BIC at the posterior mode; Raftery (1995), Sociological Methodology 25:111-163, for the margin of 2; Drton & Plummer
(2017), JRSS B 79:323-380, for why numbers of components need more: a spare component costs the log evidence at most
log(n) / 2, to first order, and BIC takes each of its parameters to cost that: its odds for fewer are too large.
"""

import numpy as np

from bayesmix.diagnostics.checks.degenerate import KINDS
from bayesmix.selection.criteria import Cell, criterion
from bayesmix.selection.trust import seldom
from bayesmix.spec.normaliser import log_normaliser
from bayesmix.spec.priors import Flat
from bayesmix.spec.special import logsumexp

MARGIN = 2.0  # twice a nat: "not worth more than a bare mention" (Raftery 1995, table 6)
LEAD = 10.0  # and "very strong": what BIC and ICL must show between numbers of components, as their odds are too large


@criterion("log likelihood", meaning="at the maximum of the log posterior")
def log_likelihood(subject):
    return Cell(subject.em.log_likelihood, reason=seldom(subject.em))


@criterion("df", meaning="free parameters")
def df(subject):
    return Cell(float(subject.em.df))


@criterion("AIC", sign=-1, margin=MARGIN, meaning="2 df - 2 log likelihood; smaller is better")
def aic(subject):
    return Cell(2 * subject.em.df - 2 * subject.em.log_likelihood, reason=subject.em_fault)


@criterion("BIC", sign=-1, margin=MARGIN, lead=LEAD, meaning="df log n - 2 log likelihood; smaller is better")
def bic(subject):
    return Cell(subject.em.bic, reason=subject.em_fault)


@criterion(
    "ICL", sign=-1, margin=MARGIN, lead=LEAD, meaning="BIC plus twice the cost of assigning each row; smaller is better"
)
def icl(subject):
    return Cell(subject.em.icl, reason=subject.em_fault)


@criterion("entropy", meaning="- sum r log r over rows and components, in nats: how much the components overlap")
def entropy(subject):
    r = responsibilities(subject.em)
    terms = -np.sum(r * np.log(np.where(r > 0, r, 1.0)), axis=1)
    return Cell(float(subject.data.row_weight @ terms), reason=subject.em_fault)


@criterion(
    "Laplace evidence", meaning="log p(data) by Laplace's approximation at every optimum: rough, it ranks nothing"
)
def laplace_evidence(subject):
    fit = subject.em
    if any(isinstance(p.prior, Flat) for p in fit.mixture.parameters.values()):
        return Cell(np.nan, reason="A prior is Flat, so the evidence is not defined.")
    mass = np.array([m.log_mass for m in fit.optima])
    if not np.isfinite(mass[0]):
        why = fit.optima[0].reason or f"it has {KINDS.get(fit.optima[0].kind, fit.optima[0].kind)}"
        return Cell(np.nan, reason=f"The best optimum has no Laplace mass: {why}.")
    value = logsumexp(mass[np.isfinite(mass)]) - log_normaliser(fit.mixture, fit.data.d)[0]
    return Cell(float(value), reason=seldom(fit))


def responsibilities(fit):
    """(n, K) at the best theta, the known labels used."""
    joint = fit.mixture.log_joint(fit.data.x, fit.best, fit.mixture.log_label(fit.data))
    joint = joint - joint.max(axis=1, keepdims=True)
    r = np.exp(joint)
    return r / r.sum(axis=1, keepdims=True)
