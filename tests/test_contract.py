"""Every method on every problem of the zoo: certified with the truth inside, or not certified with the truth inside."""

from __future__ import annotations

from fractions import Fraction

import pytest
from zoo import ZOO, Zoo

import otcore
from otcore._api import as_problem
from otcore.certify.verify import verify
from otcore.costs import LineCost
from otcore.solvers.critic import Critic

EXACT = ("auto", "dual", "emd", "line", "linprog")  # rtol 1e-9 unless asked otherwise
GENERIC = frozenset({"line", "cloud", "dense", "single", "metric", "duplicates", "dtype"})


def applies(method: str, zoo: Zoo) -> bool:
    p, q, options = zoo.make()
    needs = next(m.needs for m in otcore.methods() if m.name == method)
    return needs <= as_problem(p, q, **options).cost.traits


def must_certify(method: str, zoo: Zoo) -> bool:
    """The exact methods always; sinkhorn, at its rtol of 1e-2, where the problem is of a generic kind."""
    return method in EXACT or (method == "sinkhorn" and zoo.traits <= GENERIC)


def euclidean(zoo: Zoo) -> bool:
    """Whether a critic can learn it: points, and their Euclidean distance."""
    p, q, options = zoo.make()
    cost = as_problem(p, q, **options).cost
    return isinstance(cost, LineCost) or getattr(cost, "metric", None) == "euclidean"


CRITIC = Critic(lipschitz="funnel", max_iter=20, batch=64, device="cpu")  # the proof must hold for a poor one as well
METHODS = {method: method for method in (*EXACT, "sinkhorn")} | {"critic": CRITIC}
AVAILABLE = {method.name for method in otcore.methods() if method.available}
CELLS = [
    (method, zoo)
    for method in METHODS
    for zoo in ZOO
    if method in AVAILABLE and applies(method, zoo) and (method != "critic" or euclidean(zoo))
]


def test_the_zoo_is_large_and_its_names_are_unique():
    assert len(ZOO) >= 40
    assert len({zoo.name for zoo in ZOO}) == len(ZOO)


@pytest.mark.parametrize("zoo", [zoo for zoo in ZOO if zoo.theory is not None], ids=str)
def test_exact_arithmetic_agrees_with_theory(zoo):
    lo, hi = zoo.truth
    assert lo <= zoo.theory <= hi


def test_every_method_is_in_the_contract():
    assert set(METHODS) == {method.name for method in otcore.methods()}
    assert {method for method, _ in CELLS} == AVAILABLE


@pytest.mark.parametrize(("method", "zoo"), CELLS, ids=lambda cell: str(cell).replace(" ", "-"))
def test_the_truth_is_inside_and_the_proof_holds(method, zoo):
    p, q, options = zoo.make()
    max_seconds = 5.0 if not must_certify(method, zoo) else None
    s = otcore.solve(p, q, method=METHODS[method], max_seconds=max_seconds, **options)
    lo, hi = zoo.truth
    assert Fraction(s.lower) <= hi, f"lower is above the truth by {float(s.lower - hi):.3g}"
    assert Fraction(s.upper) >= lo, f"upper is below the truth by {float(lo - s.upper):.3g}"
    for exact in (False, True):
        checks = verify(s.certificate, exact=exact)
        assert checks, str(checks)
    assert s.certified == (s.gap <= s.rtol * max(abs(s.lower), abs(s.upper)) + s.atol)
    if must_certify(method, zoo):
        assert s.certified, f"{s.status}: {s.lower!r} .. {s.upper!r}, truth {float(lo)!r}"
        rtol = 1e-2 if method == "sinkhorn" else 1e-9
        assert s.rtol <= rtol
        # The default atol must not be what certifies, save where the answer is nothing or next to nothing.
        assert s.relative_gap <= rtol or zoo.traits & {"equal", "close"}, f"relative gap {s.relative_gap:.1e}"
