"""The choice of a number of components from the groups in use: made-up numbers, no fit."""

import numpy as np
import pytest

from bayesmix.selection.counting import choose_count, odds_of, span, usual_prior
from bayesmix.selection.criteria import Cell
from bayesmix.selection.dossier import GROUPS, Dossier
from bayesmix.selection.examine import Record
from bayesmix.selection.groups import Groups


def used(*probability, se=0.0):
    return Groups(np.array(probability), np.full(len(probability), se))


def record(K, value, groups, *, se=0.01, reason="", barred="", rough=None):
    rough = value if rough is None else rough
    cells = {"Laplace evidence": Cell(rough), "log evidence": Cell(value, se, reason)}
    return Record(K, None, None, None, "sound", barred, cells, "Run longer.", groups)


def dossier(*records, prior=None):
    prior = usual_prior([r.name for r in records]) if prior is None else np.array(prior)
    return Dossier(tuple(records), "log evidence", prior, {"notes": [], "seed": 1, "sampler": {}})


def test_evidences_that_tie_because_the_larger_repeat_the_smaller_speak_for_the_smaller():
    found = dossier(record(1, -60.0, used(1)), record(2, -40.2, used(0, 1)), record(3, -40.0, used(0, 0.8, 0.2)))
    p = usual_prior([1, 2, 3])[1:] * np.exp([-0.2, 0.0])
    share = p / p.sum()  # K = 1 has e^-20
    assert found.pool.probability == pytest.approx([0, share @ [1, 0.8], share[1] * 0.2], abs=1e-8)
    assert found.choice == 2 and found.settle == ()
    assert (
        found.why == f"2 groups are in use with probability {share @ [1, 0.8]:.2f}, 3 groups with {share[1] / 5:.2f}."
    )
    assert "log evidence: K = 3 and K = 2 tie." in found.remarks()  # which is said, though it does not decide


@pytest.mark.parametrize("share,tied", [(0.249, False), (0.251, True)])
def test_without_odds_of_three_to_one_there_is_no_choice(share, tied):
    """K = 2 and 3 of equal probability, whose draws together have three groups with probability `share`."""
    found = dossier(record(2, -40.0, used(0, 1)), record(3, -40.0, used(0, 1 - 2 * share, 2 * share)), prior=[0.5, 0.5])
    assert found.pool.probability == pytest.approx([0, 1 - share, share])
    assert found.choice == (None if tied else 2)
    if tied:
        assert "odds of 3.0 to 1 are too few to choose. There are 2 or 3 with probability 1.00." in found.why
        assert "do not tell these numbers of groups apart" in found.settle[0]


def test_odds_within_two_of_their_errors_are_no_odds():
    """log(.8 / .2) = 1.39 is more than log 3 = 1.10; errors of .04 are .05 and .2 of the logarithms, .1 are .625."""
    sure, unsure = (odds_of(used(0.8, 0.2, se=se), 1, 2) for se in (0.04, 0.12))
    assert sure.value == pytest.approx(np.log(4)) and sure.se == pytest.approx(0.04 / 0.8 + 0.04 / 0.2)
    assert not sure.tied and unsure.tied
    records = [record(1, -40.0, used(1)), record(2, -40.0, used(0.5, 0.5))]
    why = choose_count(used(0.8, 0.2, se=0.12), records, lambda r: f"K = {r.name}")
    assert why.record is None and why.settle[0].startswith("Longer chains")
    assert choose_count(used(0.8, 0.2, se=0.04), records, lambda r: f"K = {r.name}").record is records[0]


def test_a_number_that_is_no_candidate_is_asked_for():
    found = dossier(record(1, -90.0, used(1)), record(3, -40.0, used(0, 0.9, 0.1)))
    assert found.choice is None and found.why.endswith("but K = 2 is no candidate.")
    assert found.settle == ("Add 2 to components=...",)


def test_a_barred_number_is_not_chosen():
    found = dossier(record(1, -90.0, used(1)), record(2, -40.0, used(0, 1), barred="The chains disagree."))
    assert found.choice is None and "K = 2 cannot be chosen: The chains disagree." in found.why
    assert found.settle == ("K = 2: Run longer.",)


def test_a_rival_without_evidence_keeps_the_race_open_unless_it_is_out_of_the_question():
    one, two = record(1, -90.0, used(1)), record(2, -40.0, used(0, 1))
    near = record(3, np.nan, used(0, 0.5, 0.5), reason="Chains disagree.", rough=-41.0)
    far = record(3, np.nan, used(0, 0.5, 0.5), reason="Chains disagree.", rough=-60.0)
    open_ = dossier(one, two, near)
    assert open_.choice is None and "K = 3 cannot be compared with the others: Chains disagree." in open_.why
    assert open_.groups["probability"].isna().all() and open_.groups["K = 3"].to_list() == [0, 0.5, 0.5]
    assert open_.credible is None and "not to be said yet" in open_.summary()
    assert np.isnan(open_.table.loc[2, GROUPS]) and "evidence of K = 3 is missing" in open_.reasons.loc[2, GROUPS]
    assert dossier(one, two, far).choice == 2


def test_a_group_that_takes_several_components_is_not_described_by_one():
    """Two components for one skewed group: one group in use, and an evidence that one component does not reach."""
    found = dossier(record(1, -60.0, used(1)), record(2, -40.0, used(0.9, 0.1)))
    assert found.choice is None and "K = 1 describes them worse than K = 2, by 20.00" in found.why
    assert "bm.merge" in found.settle[0]


def test_a_single_candidate_is_chosen():
    found = dossier(record(1, -60.0, used(1)))
    assert found.choice == 1 and found.why == "1 group is in use with probability 1.00."


def test_the_tables_hold_the_groups():
    found = dossier(record(1, -41.0, used(1)), record(2, -40.0, used(0.25, 0.75)), prior=[0.5, 0.5])
    p = 1 / (1 + np.exp(1))
    assert found.groups["probability"].to_list() == pytest.approx([p + (1 - p) / 4, 0.75 * (1 - p)])
    assert found.groups["K = 2"].to_list() == [0.25, 0.75] and found.groups["K = 1"].to_list() == [1.0, 0.0]
    assert found.table[GROUPS].to_list() == pytest.approx([p + (1 - p) / 4, 0.75 * (1 - p)])
    assert found.credible == (1, 2) and "1 or 2 hold 95%. Prior of the candidates: 0.50, 0.50." in found.summary()


def test_other_models_and_em_alone_have_no_groups():
    alone = Record(1, None, None, None, "sound", "", {"BIC": Cell(100.0)}, "")
    found = Dossier((alone,), "BIC", np.ones(1), {"notes": []})
    assert found.pool is None and found.groups is None and found.credible is None and found.choice == 1
    named = [Record(n, None, None, None, "sound", "", {"log evidence": Cell(v, 0.1)}, "", used(0, 1))
             for n, v in (("A", -40.0), ("B", -50.0))]  # fmt: skip
    found = Dossier(tuple(named), "log evidence", np.full(2, 0.5), {"notes": []})
    assert found.pool is None and found.choice == "A" and GROUPS not in found.table


def test_numbers_in_words():
    assert [span(n) for n in ((2,), (2, 3), (2, 3, 4), (1, 3, 4), (1, 4))] == [
        "2",
        "2 or 3",
        "2 to 4",
        "1, 3 or 4",
        "1 or 4",
    ]
