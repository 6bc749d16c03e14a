"""`Dossier`: the evidence on every candidate side by side, and the choice that it supports, if any."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from bayesmix.errors import InputError
from bayesmix.fit import Fit
from bayesmix.selection import likelihood_ratio
from bayesmix.selection.counting import BY, LEVEL, choose_count, span
from bayesmix.selection.criteria import CRITERIA, Cell
from bayesmix.selection.groups import pooled
from bayesmix.selection.ranking import choose, leaders, ruled_out
from bayesmix.spec.special import logsumexp

PROBABILITY = "p(model | y)"
GROUPS = "p(groups | y)"


class Fits(NamedTuple):
    """The two fits of one candidate, None where there is none."""

    em: Fit | None
    mcmc: Fit | None


@dataclass(frozen=True, eq=False)
class Dossier:
    """What speaks for each candidate.

    records: one `Record` per candidate. by: the criterion that decides. prior: probabilities of the candidates
    before the data. settings: how it was made, plain values.
    """

    records: tuple = field(repr=False)
    by: str
    prior: np.ndarray
    settings: dict = field(repr=False)

    @property
    def names(self):
        """The candidates: numbers of components, or names."""
        return [r.name for r in self.records]

    @cached_property
    def criteria(self):
        """name -> Criterion of what was computed, in the order of the columns."""
        return {n: c for n, c in CRITERIA.items() if any(r.cell(n).reason or np.isfinite(r.cell(n).value)
                                                         for r in self.records)}  # fmt: skip

    @cached_property
    def cells(self):
        """candidate -> column -> Cell, with the likelihood ratio test and the posterior probabilities."""
        out = {r.name: {n: r.cell(n) for n in self.criteria} for r in self.records}
        for r in self.records:
            if likelihood_ratio.NAME in r.cells:
                out[r.name][likelihood_ratio.NAME] = r.cells[likelihood_ratio.NAME]
        if "log evidence" in self.criteria:
            for r, cell in zip(self.records, self._probabilities, strict=True):
                out[r.name][PROBABILITY] = cell
        if self.pool is not None:
            for r in self.records:
                out[r.name][GROUPS] = Cell(*self.pool.of(r.name), self._unsure())
        return out

    @cached_property
    def _probabilities(self):
        """Cells of p(model | y), proportional to prior x evidence."""
        cells = [r.cell("log evidence") for r in self.records]
        usable = np.array([c.usable for c in cells])
        if not usable.any():
            return [Cell(np.nan, reason=c.reason) for c in cells]
        with np.errstate(divide="ignore"):
            log_p = np.log(self.prior) + np.where(usable, [c.value for c in cells], -np.inf)
        p = np.exp(log_p - logsumexp(log_p))
        variance = np.where(usable, [c.se**2 for c in cells], 0.0)  # by the delta method, errors independent
        se = p * np.sqrt((1 - 2 * p) * variance + (p**2 * variance).sum())
        left = [str(r.name) for r, ok in zip(self.records, usable, strict=True) if not ok]
        reason = self._unsure()
        return [
            Cell(float(a), float(b), reason) if ok else Cell(np.nan, reason=c.reason)
            for a, b, ok, c in zip(p, se, usable, cells, strict=True)
        ] if left else [Cell(float(a), float(b)) for a, b in zip(p, se, strict=True)]  # fmt: skip

    def _unsure(self):
        """A sentence if candidates without evidence are not out of the question, else ""."""
        evidence = CRITERIA[BY]
        front = leaders(evidence, self.records)
        missing = [r for r in self.records if not r.cell(BY).usable]
        open_ = [self.said(r) for r in missing if not front or not ruled_out(evidence, r, front[0])]
        return f"The evidence of {', '.join(open_)} is missing, which may hold most of the probability." * bool(open_)

    # ---- groups in use ----------------------------------------------------------------------

    @cached_property
    def pool(self):
        """The `Groups` in use over all candidates whose evidence can be used; None unless they are numbers."""
        usable = [i for i, r in enumerate(self.records) if r.cell(BY).usable]
        known = all(isinstance(r.name, int) for r in self.records) and all(self.records[i].groups for i in usable)
        if not usable or not known or not self.prior[usable].any():
            return None
        records, cells = [self.records[i] for i in usable], [self.records[i].cell(BY) for i in usable]
        return pooled([r.groups for r in records], [c.value for c in cells], [c.se for c in cells], self.prior[usable])

    @cached_property
    def groups(self):
        """A DataFrame, one row per number of groups in use: its probability over all candidates, the standard error,
        NaN where a rival's evidence is missing, and its share of the draws of each candidate; None where there are no
        draws, or other models than numbers.
        """
        import pandas as pd

        if self.pool is None:
            return None
        own = {self.said(r): r.groups for r in self.records if r.groups is not None}
        number = pd.RangeIndex(1, max(len(g.probability) for g in own.values()) + 1, name="groups")
        known = [(np.nan, np.nan) if self._unsure() else self.pool.of(n) for n in number]
        columns = dict(zip(("probability", "se"), zip(*known, strict=True), strict=True))
        return pd.DataFrame(columns | {who: [g.of(n)[0] for n in number] for who, g in own.items()}, index=number)

    @property
    def credible(self):
        """The fewest numbers of groups in use that hold 95 % together, in order.

        None without `groups`, or while the evidence of a candidate is missing that may hold most of the probability.
        """
        return None if self.pool is None or self._unsure() else self.pool.credible(LEVEL)

    # ---- tables -----------------------------------------------------------------------------

    def _frame(self, number):
        import pandas as pd

        rows = {}
        for r in self.records:
            rows[r.name] = {}
            for column, cell in self.cells[r.name].items():
                rows[r.name] |= number(column, cell)
        index = "components" if all(isinstance(n, int) for n in self.names) else "model"
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index)

    @cached_property
    def table(self):
        """A DataFrame, one row per candidate: every criterion and its standard error, NaN where greyed; the verdict."""
        frame = self._frame(lambda column, cell: self._numbers(column, cell, cell.reason))
        frame["verdict"] = [r.verdict for r in self.records]
        return frame

    @cached_property
    def all_numbers(self):
        """The same with the greyed numbers too, where there are any: not to be compared, `reasons` says why."""
        return self._frame(lambda column, cell: self._numbers(column, cell, ""))

    def _numbers(self, column, cell, reason):
        out = {column: np.nan if reason else cell.value}
        if any(np.isfinite(self.cells[n].get(column, cell).se) for n in self.names):
            out[f"{column} se"] = np.nan if reason else cell.se
        return out

    @cached_property
    def reasons(self):
        """A DataFrame of the same rows: for each criterion why its number is greyed, "" where it is not."""
        frame = self._frame(lambda column, cell: {column: cell.reason}).fillna("")
        frame["choice"] = [r.barred for r in self.records]
        return frame

    @cached_property
    def fits(self):
        """candidate -> (em, mcmc), its fits."""
        return {r.name: Fits(r.em, r.mcmc) for r in self.records}

    # ---- the answer -------------------------------------------------------------------------

    @cached_property
    def leaders(self):
        """criterion -> the candidates that lead by it, the best first: more than one are a tie, none is a refusal."""
        return {n: tuple(r.name for r in leaders(c, self.records)) for n, c in self.criteria.items() if c.sign}

    @cached_property
    def _choice(self):
        if self.by not in self.criteria:
            raise InputError(f"Dossier: the criterion {self.by!r} was not computed; there are {list(self.criteria)}.")
        if self._counted:
            return choose_count(self.pool, self.records, self.said)
        return choose(CRITERIA[self.by], self.records, self.said)

    @property
    def _counted(self):
        """Whether the choice is made by the groups in use."""
        return self.by == BY and self.pool is not None

    @property
    def choice(self):
        """The candidate that the deciding criterion supports, or None; `summary()` says why."""
        return None if self._choice.record is None else self._choice.record.name

    @property
    def why(self):
        """One sentence on the choice, or on why there is none."""
        return self._choice.why

    @property
    def settle(self):
        """What would settle a choice that was refused: sentences, none where there is a choice."""
        return self._choice.settle

    @property
    def fit(self):
        """The fits (em, mcmc) of the choice; None without one."""
        return None if self.choice is None else self.fits[self.choice]

    def said(self, record):
        """A candidate's name in words."""
        return f"K = {record.name}" if isinstance(record.name, int) else f"{record.name!r}"

    def counted(self):
        """One sentence on the groups in use over all candidates, and on the prior that it rests on."""
        if self._unsure():
            return f"groups in use: not to be said yet. {self._unsure()}"
        shown = [(n, p) for n, p in enumerate(self.pool.probability, start=1) if p >= 0.005]
        prior = ", ".join(f"{p:.2f}" for p in self.prior)
        return (
            f"groups in use: {', '.join(f'{n} with probability {p:.2f}' for n, p in shown)}; {span(self.credible)} "
            f"hold{'s' * (len(self.credible) == 1)} {LEVEL:.0%}. Prior of the candidates: {prior}."
        )

    def remarks(self):
        """Sentences on where the criteria disagree, on the edge of the range, and on how the chains were sampled."""
        named = {r.name: self.said(r) for r in self.records}
        out = [self.counted()] if self.pool is not None else []
        for name, front in self.leaders.items():
            if name == self.by and not self._counted:
                continue
            if not front:
                out.append(f"{name}: can be used for no candidate.")
            elif len(front) > 1:
                out.append(f"{name}: {' and '.join(named[n] for n in front)} tie.")
            else:
                out.append(f"{name}: {named[front[0]]} leads.")
        if self.choice is not None and isinstance(self.choice, int) and self.choice == max(self.names) > 1:
            out.append(f"{named[self.choice]} is the most that was tried: go on to larger numbers.")
        return out + list(self.settings.get("notes", ()))

    def summary(self):
        """The choice or the refusal, why, what would settle it, and what is greyed, as text."""
        first = f"Choice: {self.said(self._choice.record)}." if self.choice is not None else "Choice: none."
        lines = [f"{first} {self.why}", *(f"  {line}" for line in self.remarks())]
        if self.settle:
            lines += ["What would settle it:", *(f"  {line}" for line in self.settle)]
        greyed = {}
        for r in self.records:
            for column, cell in self.cells[r.name].items():
                if cell.reason:
                    greyed.setdefault((self.said(r), cell.reason), []).append(column)
        if greyed:
            lines += ["Greyed:", *(f"  {who}, {', '.join(what)}: {why}" for (who, why), what in greyed.items())]
        barred = [f"  {self.said(r)}: {r.barred}" for r in self.records if r.barred]
        if barred:
            lines += ["Cannot be chosen:", *barred]
        return "\n".join(lines)

    def __repr__(self):
        return f"Dossier({len(self.records)} candidates by {self.by}, choice {self.choice!r})"
