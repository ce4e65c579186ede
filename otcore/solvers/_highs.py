"""How the methods that give a linear program to HiGHS set it."""

from __future__ import annotations

from typing import Any

from otcore.solvers._protocol import Budget

__all__ = ["LOADING", "TOLERANCE", "highs_options"]

TOLERANCE = 1e-10  # absolute, and the tightest that HiGHS takes
LOADING = 4e-6  # seconds an arc or a constraint: interior points take a limit that is over when they begin for none


def highs_options(budget: Budget, solver: str) -> dict[str, Any]:
    """Tightest tolerances, and the time that is left."""
    options: dict[str, Any] = {"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE}
    left = budget.remaining()
    if left is None:
        return options
    return options | {"time_limit": left, "presolve": solver != "highs-ipm"}  # it would use up more than LOADING
