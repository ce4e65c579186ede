"""Contestants: whatever they answer, what is proved holds the truth, and nobody is believed."""

from __future__ import annotations

import numpy as np
import pytest

import otcore
from otcore.bench.contestant import Answer, contestants, judge
from otcore.bench.instance import Instance
from otcore.plans import SparsePlan
from otcore.solution import Candidate

FAMILIES = ("plane-weighted", "line", "assignment", "dense")
# Kernels exp(-M / epsilon) that underflow here: such a peer may return anything, and what it proves stays true.
UNDERFLOWING = {"pot:sinkhorn", "pot:sinkhorn/4", "pot:sinkhorn_stabilized", "pot:sinkhorn_stabilized/4"}
ENTROPIC = {name for name in contestants() if "sinkhorn" in name or "SamplesLoss" in name}
BASELINES = {"numpy:two-sorts"}
CELLS = [
    (name, family)
    for family in FAMILIES
    for name, contestant in contestants().items()
    if contestant.accepts(Instance(family, 12).problem())
]


@pytest.fixture(scope="module")
def truth():
    return {family: otcore._solve.run(Instance(family, 12).problem()) for family in FAMILIES}


@pytest.mark.filterwarnings("ignore")  # peers warn as they please
@pytest.mark.parametrize(("name", "family"), CELLS)
def test_what_an_answer_proves_holds_the_truth(name, family, truth):
    problem, best, rtol = Instance(family, 12).problem(), truth[family], 1e-2
    answer = contestants()[name].solve(problem, rtol, 10.0)
    verdict = judge(problem, answer)
    if verdict is None:
        assert answer.candidate is None and answer.interval is None
    else:
        assert verdict.lower <= best.upper and best.lower <= verdict.upper
    if name in UNDERFLOWING | BASELINES:
        return
    stops_early = name in ENTROPIC or name.startswith("otcore:dual")
    assert answer.value == pytest.approx(best.value, rel=0.2 if stops_early else 1e-9)
    if verdict is None:
        return
    # Potentials and plans are translated into our units: a wrong sign or scale would leave the trivial bounds.
    tight = 1e-9 if name.startswith(("pot:emd", "scipy", "highs", "lapx")) else 0.2
    assert verdict.upper - verdict.lower <= tight * best.upper


def test_a_liar_is_not_believed():
    problem = Instance("dense", 12).problem()
    wrong = SparsePlan(np.arange(12), np.arange(12)[::-1], problem.a, problem.shape)
    verdict = judge(problem, Answer(Candidate(wrong, (np.full(12, 9.0), np.full(12, 9.0))), value=0.0))
    best = otcore._solve.run(problem)
    assert verdict.lower <= best.lower and best.upper < verdict.upper
    assert "misses the marginals" in verdict.note
    assert judge(problem, Answer(value=0.0)) is None


def test_half_an_answer_is_completed_and_the_row_says_so():
    problem = Instance("assignment", 12).problem()
    best = otcore._solve.run(problem)
    i, j = best.plan.i, best.plan.j
    plan_only = judge(problem, Answer(Candidate(SparsePlan(i, j, best.plan.mass, problem.shape))))
    potentials_only = judge(problem, Answer(Candidate(potentials=(best.f, best.g))))
    for verdict in (plan_only, potentials_only):
        assert verdict.completed and verdict.upper - verdict.lower <= 1e-12 * best.upper
