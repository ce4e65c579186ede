"""otcore, for benchopt's benchmark of exact optimal transport: the tolerance is the certified relative gap."""

from __future__ import annotations

from benchopt import BaseSolver

import otcore


class Solver(BaseSolver):
    """Any method of otcore; what it is told to reach is what it proves."""

    name = "otcore"
    requirements = ["pip::otcore"]
    parameters = {"method": ["network-simplex", "sinkhorn"]}
    sampling_strategy = "tolerance"

    def set_objective(self, x, a, y, b):
        self.p, self.q = otcore.Measure(x, a), otcore.Measure(y, b)

    def warm_up(self):
        self.run(1e-2)  # compiles

    def run(self, tolerance):
        rtol = min(1.0, max(tolerance, 1e-9))
        self.solution = otcore.solve(self.p, self.q, method=self.method, rtol=rtol, max_seconds=30)

    def get_result(self):
        return {"P": self.solution.plan.to_dense()}
