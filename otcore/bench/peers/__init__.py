"""Other packages behind thin adapters: the same inputs in, plan and potentials out, imported when they run.

A peer is timed from the numbers that otcore is given (points or a matrix) to its answer, so that a distance
matrix that it needs is on its clock.  Entropic peers know no gap: told to reach a relative gap rtol, they get
``epsilon = rtol * mean cost`` and a tenth of rtol as the marginal error, the sense their users make of it.
"""

from otcore.bench.peers import assignment, entropic, lp, pot, scipy  # noqa: F401  # importing is entering
from otcore.bench.peers._entry import PEERS

__all__ = ["PEERS"]
