"""The rule table of ``auto``."""

from __future__ import annotations

import numpy as np
import pytest

import otcore
from otcore import solve
from otcore.costs import CloudCost, DenseCost, LineCost
from otcore.problem import Problem
from otcore.solvers import auto


def problem(cost):
    n, m = cost.shape
    return Problem(np.full(n, 1 / n), np.full(m, 1 / m), cost)


@pytest.mark.parametrize(
    ("cost", "method"),
    [
        (LineCost(np.arange(300.0), np.arange(300.0)), "line"),
        (DenseCost(np.ones((100, 100))), "network-simplex"),
        (DenseCost(np.ones((1, 10_001))), "network-simplex"),
        (CloudCost(np.ones((3, 2)), np.zeros((4, 2))), "network-simplex"),
    ],
)
def test_each_problem_gets_its_method_and_the_reason(cost, method):
    choice = auto.select(problem(cost))
    assert choice.method == method
    assert choice.why == next(rule.why for rule in auto.RULES if rule.method == method)


def test_the_last_rule_always_holds_and_every_rule_names_a_method():
    assert auto.RULES[-1].condition(None)
    assert {rule.method for rule in auto.RULES} <= {m.name for m in otcore.methods()} - {"auto"}


@pytest.mark.parametrize("options", [{}, {"rtol": 0.5}, {"rtol": 0.0}, {"atol": 1.0}, {"max_seconds": 0.0}])
def test_tolerances_never_change_the_method(options):
    assert solve([[0.0, 1.0]], [[2.0, 3.0]], **options).method == "network-simplex"
    assert solve([0.0], [1.0], **options).method == "line"
