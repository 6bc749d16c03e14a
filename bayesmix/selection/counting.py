"""The answer to "how many?" among numbers of components: by the groups in use, over all candidates.

The number of groups K+ (`groups.py`) has a posterior distribution over all candidates together. Its mode is chosen,
unless the odds against the next probable number are below 3 to 1, which Kass & Raftery call not worth more than a
bare mention, or within two standard errors of even; then the answer is the set of numbers that holds 95 %.
A candidate of that many components must also be there, be barred by nothing, and not be beaten by the evidence:
a group may need several components to be described, as a skewed one does.

Left out, the prior is the one of Fruehwirth-Schnatter, Malsiner-Walli & Gruen: K - 1 is beta-negative-binomial with
parameters 1, 4, 3, so P(K = 1), ... = .571, .214, .095, .048, ..., two components by expectation and a heavy tail, cut
to the candidates. With equal probabilities instead data would hardly ever speak for one group, since spare components
cost the evidence little.

References: Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021), Bayesian Analysis 16:1279-1307, section 2, for K+
and the prior, which is the usual one of their R package telescope; Kass & Raftery (1995), JASA 90:773-795, section 3.2.
"""

import numpy as np

from bayesmix.selection.criteria import CRITERIA
from bayesmix.selection.ranking import TIE, Choice, Gap, advice, error, gap, leaders, ruled_out
from bayesmix.spec.special import betaln

BY = "log evidence"
LEVEL = 0.95  # of the credible set
BNB = (4.0, 3.0)  # beside 1, the parameters of the prior
SETTLE = (
    "The data do not tell these numbers of groups apart: more rows would, or prior knowledge (prior=..., or priors of "
    "the components that know how wide one group is).",
)
LONGER = ("Longer chains (draws=...) would make the errors of these probabilities smaller.",)


def usual_prior(counts):
    """Probabilities of these numbers of components by the beta-negative-binomial prior, cut to them.

    p(K) = Gamma(l + K - 1) B(l + a, K - 1 + b) / (Gamma(l) Gamma(K) B(a, b)) with l = 1.
    """
    a, b = BNB
    p = np.exp(betaln(1 + a, np.asarray(counts, dtype=float) - 1 + b))
    return p / p.sum()


def choose_count(pool, records, named):
    """The Choice of a number of components.

    pool: the `Groups` over all candidates whose evidence can be used. named: a Record's name in words.
    """
    evidence = CRITERIA[BY]
    best, *_ = leaders(evidence, records)
    open_ = [r for r in records if not r.cell(BY).usable and not ruled_out(evidence, r, best)]
    if open_:
        whom, reason = " and ".join(named(r) for r in open_), open_[0].cell(BY).reason or "it was not computed."
        why = f"How many groups are in use cannot be said, since {whom} cannot be compared with the others: {reason}"
        return Choice(None, why, advice(open_, named))
    first, *others = pool.order
    said = f"{groups(first)} {'is' if first == 1 else 'are'} in use with probability {chance(pool, first)}"
    odds = odds_of(pool, first, *others[:1])
    if odds.tied:
        second = others[0]
        inside = pool.credible(LEVEL)
        mass = pool.probability[np.array(inside) - 1].sum()
        why = (
            f"{said}, {groups(second)} with {chance(pool, second)}: odds of {np.exp(odds.value):.1f} to 1 are too few "
            f"to choose. There are {span(inside)} with probability {mass:.2f}."
        )
        return Choice(None, why, SETTLE if odds.value < evidence.margin else LONGER)
    chosen = next((r for r in records if r.name == first), None)
    if chosen is None:
        return Choice(None, f"{said}, but K = {first} is no candidate.", (f"Add {first} to components=...",))
    if chosen.barred:
        return Choice(None, f"{said}, but {named(chosen)} cannot be chosen: {chosen.barred}", advice([chosen], named))
    behind = gap(evidence, chosen.cell(BY), best.cell(BY))
    if not behind.tied:
        why = (
            f"{said}, but {named(chosen)} describes them worse than {named(best)}, by {behind.value:.2f}{error(behind)}"
        )
        return Choice(
            None, f"{why} in log evidence.",
            (f"Take {named(best)} and join its components that are one group (bm.merge), or another family.",),
        )  # fmt: skip
    return Choice(chosen, said + (f", {groups(others[0])} with {chance(pool, others[0])}." if others else "."))


def odds_of(pool, first, second=None):
    """The Gap in log odds of two numbers of groups. Their errors go against each other, so they are added."""
    (p, p_se), (q, q_se) = pool.of(first), (0.0, 0.0) if second is None else pool.of(second)
    if q == 0:
        return Gap(np.inf, 0.0, False)
    value, se = np.log(p / q), p_se / p + q_se / q
    return Gap(float(value), float(se), bool(value <= max(CRITERIA[BY].margin, TIE * se)))


def groups(number):
    """A number of groups in words."""
    return f"{number} group{'s' * (number != 1)}"


def chance(pool, number):
    """A probability and its error in words."""
    p, se = pool.of(number)
    return f"{p:.2f}" + (f" (standard error {se:.2f})" if se >= 0.005 else "")


def span(numbers):
    """Numbers in words: "2 to 4", "2 or 3", "1, 2 or 5"."""
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers) > 2:
        return f"{first} to {last}"
    *some, end = map(str, numbers)
    return f"{', '.join(some)} or {end}" if some else end
