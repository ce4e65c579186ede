"""Exact optimal transport at certified gap, in the form of benchopt's public benchmark of it (benchopt/benchmark_ot).

The keys of data and results are those of the public one (in the form of today's benchopt: a result is a dictionary), so
that ``solvers/otcore.py`` runs in both; the metric is stricter: how far a plan's certified cost lies above the truth.
"""

from __future__ import annotations

from benchopt import BaseObjective

from otcore import Candidate, CloudCost, Problem, SparsePlan
from otcore._solve import run
from otcore.bench.contestant import Answer, judge


class Objective(BaseObjective):
    """min <P, M> over plans, M the Euclidean distances."""

    name = "Certified optimal transport"
    url = "https://github.com/benchopt/benchmark_ot"
    min_benchopt_version = "1.6"

    def set_data(self, x, a, y, b):
        self.points = {"x": x, "a": a, "y": y, "b": b}
        self.problem = Problem(a, b, CloudCost(x, y))
        self.truth = run(self.problem)

    def evaluate_result(self, P):
        plan = SparsePlan.from_dense(P)
        verdict = judge(self.problem, Answer(Candidate(plan, (self.truth.f, self.truth.g))))
        return {"value": (verdict.upper - verdict.lower) / verdict.upper, "refused": float(bool(verdict.note))}

    def get_one_result(self):
        return {"P": self.truth.plan.to_dense()}

    def get_objective(self):
        return self.points
