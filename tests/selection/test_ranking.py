"""Who leads, who ties, and when nobody can be chosen: made-up numbers, no fit."""

from dataclasses import replace

import numpy as np
import pytest

from bayesmix.errors import InputError
from bayesmix.selection.criteria import CRITERIA, Cell
from bayesmix.selection.dossier import PROBABILITY, Dossier
from bayesmix.selection.examine import Record  # registers the criteria
from bayesmix.selection.groups import Groups
from bayesmix.selection.ranking import RULED_OUT, choose, gap, leaders, stand_in

EVIDENCE, BIC, LOO = CRITERIA["log evidence"], CRITERIA["BIC"], CRITERIA["LOO"]


def rough(mass=0.0, reason=""):
    """The cells of EM that stand in for a number that is missing."""
    return {"Laplace evidence": Cell(mass, reason=reason), "log likelihood": Cell(mass, reason=reason), "df": Cell(3.0)}


def record(name, value, se=0.1, reason="", barred="", by="log evidence", rows=None, em=None, groups=None):
    cells = (em or rough(value)) | {by: Cell(value, se, reason, rows)}
    return Record(name, None, None, None, "sound", barred, cells, "Run longer.", groups)


def named(r):
    return f"K = {r.name}"


def chosen(*records, by=EVIDENCE):
    return choose(by, records, named)


def test_a_clear_leader_is_chosen():
    found = chosen(record(1, -50), record(2, -40), record(3, -43))
    assert found.record.name == 2 and found.settle == ()
    assert found.why == "K = 2 leads by log evidence, 3.00 ahead of K = 3 (standard error 0.14)."


@pytest.mark.parametrize("behind,se,tied", [(1.0, 0.1, True), (1.2, 0.1, False), (1.2, 0.5, True), (3.0, 0.5, False)])
def test_a_tie_is_within_the_margin_or_two_standard_errors(behind, se, tied):
    """The margin of the evidence is log 3 = 1.0986; two standard errors of the difference are 2 sqrt(2) se."""
    found = chosen(record(2, -40.0, se), record(3, -40.0 - behind, se))
    assert (found.record is None) is tied
    assert ("tie by log evidence" in found.why) is tied and bool(found.settle) is tied


def test_smaller_is_better_for_information_criteria():
    records = [record(k, v, np.nan, by="BIC") for k, v in ((1, 120.0), (2, 100.0), (3, 101.9))]
    assert [r.name for r in leaders(BIC, records)] == [2, 3]
    assert [r.name for r in leaders(BIC, records[:2])] == [2]
    assert gap(BIC, records[0].cell("BIC"), records[1].cell("BIC")).value == 20.0


def test_the_error_of_a_difference_is_taken_row_by_row():
    """Two densities that vary much over the rows and differ by nearly a constant: the sums' errors are 10, this .1."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=100)
    near = rows - 0.02 + 0.01 * rng.normal(size=100)
    a, b = (Cell(r.sum(), 10.0, rows=r) for r in (rows, near))
    found = gap(LOO, b, a)
    assert found.value == pytest.approx((rows - near).sum())
    assert found.se == pytest.approx(10 * (rows - near).std(ddof=1)) and not found.tied
    alone = [Cell(c.value, c.se) for c in (b, a)]
    assert gap(LOO, *alone).tied and gap(LOO, *alone).se == pytest.approx(np.hypot(10, 10))


def test_a_barred_leader_is_not_chosen():
    found = chosen(record(1, -50), record(2, -40, barred="The chains disagree."))
    assert found.record is None
    assert found.why == "K = 2 leads by log evidence but cannot be chosen: The chains disagree."
    assert found.settle == ("K = 2: Run longer.",)
    assert chosen(record(1, -50, barred="The chains disagree."), record(2, -40)).record.name == 2


def test_a_greyed_candidate_never_leads_however_good_its_number():
    records = [record(1, -50), record(2, -10, reason="The chains disagree.", em=rough(-50 - 2 * RULED_OUT))]
    assert [r.name for r in leaders(EVIDENCE, records)] == [1]
    assert chosen(*records).record is None  # it may be ahead: the race is open
    hopeless = record(2, np.nan, reason="The chains disagree.", em=rough(-50 - 2 * RULED_OUT))
    assert chosen(records[0], hopeless).record.name == 1


@pytest.mark.parametrize(
    "em", [rough(-45), rough(np.nan, "No mass."), rough(-45 - 2 * RULED_OUT, "Seldom reached.")],
    ids=["in reach", "no mass", "seldom reached"],
)  # fmt: skip
def test_a_candidate_that_cannot_be_judged_keeps_the_race_open(em):
    found = chosen(record(2, -40), record(3, np.nan, reason="Too few effective draws.", em=em))
    assert found.record is None
    assert found.why == "K = 2 leads by log evidence, but K = 3 cannot be compared with it: Too few effective draws."
    assert found.settle == ("K = 3: Run longer.",)


def test_stand_ins_are_in_nats():
    em = rough(-45.0)
    assert stand_in(EVIDENCE, record(2, np.nan, em=em)) == -45.0
    assert stand_in(LOO, record(2, 0, by="LOO", em=em)) == -45.0 - 3  # - AIC / 2
    assert stand_in(BIC, record(2, 98.0, by="BIC", em=em)) == -49.0


def test_an_evidence_that_must_not_be_used_is_a_lower_bound():
    """A candidate greyed for a mode that its chains did not share may be ahead, whatever Laplace says."""
    rival = record(3, -42.0, reason="The chains stay in different regions.", em=rough(-90.0))
    assert stand_in(EVIDENCE, rival) == -42.0
    assert chosen(record(2, -40), rival).record is None
    beaten = record(3, -60.0, reason="The chains stay in different regions.", em=rough(-61.0))
    assert chosen(record(2, -40), beaten).record.name == 2


def used(*probability):
    return Groups(np.array(probability), np.zeros(len(probability)))


def test_a_larger_number_that_only_repeats_a_smaller_one_is_no_rival():
    """K = 3 and 4 tie with K = 2 but have no more than two groups in use; K = 4 even leads, and is barred."""
    two = record(2, -40.2, groups=used(0, 1))
    three, more = used(0.1, 0.5, 0.4), used(0, 0.7, 0.2, 0.1)
    found = chosen(record(1, -50, groups=used(1)), two, record(3, -40.1, groups=three),
                   record(4, -40.0, groups=more, barred="Fewer groups."))  # fmt: skip
    assert found.record.name == 2
    assert found.why == (
        "K = 2 ties by log evidence with K = 3 (60%) and K = 4 (70%), which repeat it with spare components (share of "
        "the draws with no more groups in use)."
    )
    assert chosen(two, record(3, -40.1)).record is None  # nothing is known of its groups: a tie is a tie
    assert chosen(two, record(3, -40.1, groups=used(0, 0.49, 0.51))).record is None  # all in use
    assert chosen(record(2, -40.2, groups=used(0.9, 0.1)), record(3, -40.1, groups=used(0, 0, 1))).record is None
    assert chosen(record("A", -40.2), record("B", -40.1, groups=three)).record is None  # other models do not nest
    assert chosen(record(2, -42), record(3, -40, groups=three)).record.name == 3  # no tie: the evidence decides


def by_bic(K, value, reason="", groups=None, idle=False):
    cells = {"BIC": Cell(value, reason=reason), "log likelihood": Cell(-value / 2), "df": Cell(3.0)}
    return Record(K, None, None, None, "sound", "", cells, "Run longer.", groups, idle)


def test_numbers_of_components_need_a_long_lead_by_bic():
    one, two, three = by_bic(1, 120.0), by_bic(2, 100.0), by_bic(3, 110.1)
    assert chosen(one, two, three, by=BIC).record is two
    short = chosen(one, two, by_bic(3, 109.9), by=BIC)
    assert short.record is None and "leads by BIC by 9.90 before K = 3, too little" in short.why
    assert 'engine="both"' in short.settle[0]
    same = by_bic(3, 109.9, groups=used(0, 0.6, 0.4))  # its own draws have two groups
    assert chosen(one, two, same, by=BIC).record is two
    models = [replace(r, name=name) for r, name in ((two, "full"), (by_bic(3, 104.0), "diagonal"))]
    assert chosen(*models, by=BIC).record is models[0]  # of one number of components, usual evidence is enough


def test_a_larger_number_whose_optimum_leaves_components_idle_is_no_rival_by_em():
    one, two = by_bic(1, 120.0), by_bic(2, 100.0)
    said = "The best optimum has an empty component."
    assert chosen(one, two, by_bic(3, 115.0, said, idle=True), by=BIC).record is two
    assert chosen(one, two, by_bic(3, 115.0, said), by=BIC).record is None
    assert chosen(by_bic(1, 120.0, said, idle=True), two, by=BIC).record is None  # a smaller one says something else
    three = replace(record(3, np.nan, reason=said, em=rough(-41.0)), idle=True)
    assert chosen(record(2, -40.0), three).record is None  # and its evidence may be larger


def test_nobody_has_a_number():
    found = chosen(record(1, np.nan, reason="It collapsed."), record(2, np.nan, reason="It collapsed."))
    assert found.record is None and found.why == "log evidence can be used for no candidate: It collapsed."


# ---- the dossier ---------------------------------------------------------------------------------------


def dossier(*records, prior=None, by="log evidence"):
    prior = np.full(len(records), 1 / len(records)) if prior is None else np.array(prior)
    return Dossier(tuple(records), by, prior, {"notes": [], "seed": 1, "sampler": {}})


def test_posterior_probabilities_are_prior_times_evidence():
    found = dossier(record(1, -41.0), record(2, -40.0), prior=[0.75, 0.25])
    odds = 3 * np.exp(-1)
    assert found.table[PROBABILITY].to_list() == pytest.approx([odds / (1 + odds), 1 / (1 + odds)], rel=1e-12)
    p = odds / (1 + odds)  # delta method: d p_1 = p (1 - p) d(log odds), and the odds' error is sqrt(2) 0.1
    assert found.table[f"{PROBABILITY} se"].to_list() == pytest.approx([p * (1 - p) * np.hypot(0.1, 0.1)] * 2, rel=1e-9)


def test_probabilities_are_greyed_while_a_rival_is_missing():
    found = dossier(record(1, -50), record(2, -40), record(3, np.nan, reason="Chains disagree.", em=rough(-41)))
    assert found.table[PROBABILITY].isna().all()
    assert "evidence of K = 3 is missing" in found.reasons.loc[2, PROBABILITY]
    out = dossier(record(1, -50), record(2, -40), record(3, np.nan, reason="Chains disagree.", em=rough(-90)))
    assert out.table.loc[2, PROBABILITY] == pytest.approx(1 / (1 + np.exp(-10)), rel=1e-12)
    assert np.isnan(out.table.loc[3, PROBABILITY])


def test_the_tables_hide_what_is_greyed_and_say_why():
    found = dossier(record(1, -50), record(2, -40, reason="Chains disagree."))
    assert np.isnan(found.table.loc[2, "log evidence"]) and found.all_numbers.loc[2, "log evidence"] == -40
    assert found.reasons.loc[2, "log evidence"] == "Chains disagree." and found.reasons.loc[1, "log evidence"] == ""
    assert found.table.index.name == "components" and found.table.loc[1, "verdict"] == "sound"


def test_the_summary_says_what_was_refused_and_what_would_settle_it():
    found = dossier(record(1, -50), record(2, -40, barred="A component is empty."))
    text = found.summary()
    assert found.choice is None and found.fit is None
    for words in ("Choice: none.", "cannot be chosen: A component is empty.", "What would settle it:", "Run longer."):
        assert words in text
    assert "Choice: K = 2." in dossier(record(1, -50), record(2, -40)).summary()


def test_the_edge_of_the_range_is_pointed_out():
    assert "K = 2 is the most that was tried" in dossier(record(1, -50), record(2, -40)).summary()
    assert "most that was tried" not in dossier(record(1, -40), record(2, -50)).summary()


def test_a_criterion_that_was_not_computed_cannot_decide():
    with pytest.raises(InputError, match="'BIC' was not computed"):
        dossier(record(1, -50), by="BIC").choice  # noqa: B018
