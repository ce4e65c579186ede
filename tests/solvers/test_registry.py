"""The folder is the registry."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import otcore
from otcore import MissingDependencyError, UnknownMethodError, UnsupportedProblemError, solvers
from otcore.costs import CloudCost, DenseCost, LineCost
from otcore.problem import Problem
from otcore.solvers import applicable, check, method_named, methods
from otcore.solvers._protocol import Budget
from otcore.solvers.sinkhorn import Sinkhorn

DENSE = Problem([1.0], [1.0], DenseCost([[1.0]]))
LINE = Problem([1.0], [1.0], LineCost([0.0], [1.0]))
CLOUD = Problem([1.0], [1.0], CloudCost([[0.0, 0.0]], [[1.0, 1.0]]))


def test_every_file_of_the_folder_is_a_method_and_nothing_else_is():
    files = [info.name for info in pkgutil.iter_modules(solvers.__path__) if not info.name.startswith("_")]
    assert [m.name for m in methods()] == sorted(name.replace("_", "-") for name in files)


@pytest.mark.parametrize("name", [m.name for m in methods()])
def test_every_method_says_in_one_line_what_it_is(name):
    _, solver = method_named(name)
    description = next(m for m in methods() if m.name == name)
    assert description.summary == type(solver).__doc__.strip().splitlines()[0]
    assert description.summary.endswith((".", "]"))
    assert 0 < solver.rtol < 1
    assert isinstance(solver.needs, frozenset)
    assert type(solver).__dataclass_params__.frozen
    assert method_named(solver) == (name, solver)


@pytest.mark.parametrize(("typo", "meant"), [("sinkhron", "sinkhorn"), ("linprg", "linprog"), ("EMD", "emd")])
def test_a_typo_is_answered_with_the_near_miss_and_the_list(typo, meant):
    with pytest.raises(UnknownMethodError, match=f"unknown; .*Known methods: auto, .*{meant}") as caught:
        method_named(typo)
    if typo.lower() == typo:
        assert f"did you mean {meant!r}?" in str(caught.value)


@pytest.mark.parametrize("method", [None, 3, Sinkhorn, object()])
def test_what_is_neither_name_nor_instance_is_refused(method):
    with pytest.raises(UnknownMethodError, match=r"expected a name or an instance such as Sinkhorn\(epsilon=0.1\)"):
        method_named(method)


def test_instances_pass_through_with_their_options():
    solver = Sinkhorn(epsilon=0.5)
    assert method_named(solver) == ("sinkhorn", solver)


def test_needs_are_compared_with_the_traits_of_the_cost():
    name, line = method_named("line")
    check(name, line, LINE)
    for problem in (DENSE, CLOUD):
        with pytest.raises(
            UnsupportedProblemError, match=r"'line' needs a cost with trait line.*would do: .*emd, linprog"
        ):
            check(name, line, problem)
    assert "line" in applicable(LINE)
    assert "line" not in applicable(DENSE)
    assert set(applicable(DENSE)) == {m.name for m in methods()} - {"line", "critic"}


@dataclass(frozen=True)
class NeedsSomethingElse:
    """A method of a package that nobody has."""

    needs: ClassVar[frozenset[str]] = frozenset()
    requires: ClassVar[tuple[str, ...]] = ("a_package_that_nobody_has",)
    rtol: ClassVar[float] = 1e-9
    reduces: ClassVar[bool] = True

    def candidates(self, problem, start, budget):
        raise AssertionError("it must not be asked")


def test_what_is_required_is_looked_for_without_importing_it():
    with pytest.raises(MissingDependencyError, match=r"pip install a_package_that_nobody_has.*Without it: auto, "):
        otcore.solve([1.0], [1.0], cost=[[1.0]], method=NeedsSomethingElse())


def test_a_budget_counts_down_to_zero_and_no_further():
    assert (Budget().remaining(), Budget().expired()) == (None, False)
    spent = Budget.seconds(0.0)
    assert spent.expired()
    assert spent.remaining() == 0.0
    plenty = Budget.seconds(1e6)
    assert not plenty.expired()
    assert 0.9e6 < plenty.remaining() <= 1e6
    assert Budget.seconds(np.inf).remaining() == np.inf
