"""What a gradient penalty estimates is not W1, by an amount that can be predicted.

On the line ``E_P u - E_Q u = int u' w`` with ``w = |F_Q - F_P|``; less ``lambda int (u' - 1)^2 sigma``, with sigma
the density of the points where the gradient is penalised, it is largest for ``u' = 1 + w / (2 lambda sigma)``:
raw - W1 = (1 / 2 lambda) int w^2 / sigma.  [docs/critic.md]
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytestmark = pytest.mark.torch

from otcore.neural import w1_critic  # noqa: E402

W1 = 0.5  # of U[1/2, 3/2] and U[0, 1]


def bias(penalty):
    """(1 / 2 lambda) int w^2 / sigma by quadrature; sigma from the quantiles of t x + (1 - t) y."""
    rng = np.random.default_rng(0)
    t, x, y = rng.random((3, 4_000_000))
    sigma, edges = np.histogram(t * (x + 0.5) + (1 - t) * y, bins=300, range=(0, 1.5), density=True)
    z = (edges[1:] + edges[:-1]) / 2
    w = np.clip(z, 0, 1) - np.clip(z - 0.5, 0, 1)
    return float((w**2 / sigma).sum() * (z[1] - z[0])) / (2 * penalty)


def test_the_formula_gives_the_figures_of_the_note():
    assert [W1 + bias(penalty) for penalty in (10, 1, 0.1)] == pytest.approx([0.5136, 0.6362, 1.8625], rel=2e-3)


@pytest.mark.parametrize(("kind", "penalty", "steps"), [("gp", 10.0, 400), ("gp", 2.0, 400), ("lp", 2.0, 1000)])
def test_trained_critics_have_the_predicted_bias(kind, penalty, steps):
    """The one-sided penalty does not pull slopes up, so it takes longer."""
    r = w1_critic(
        lambda n, g: torch.rand(n, 1, generator=g, dtype=torch.float64) + 0.5,
        lambda n, g: torch.rand(n, 1, generator=g, dtype=torch.float64),
        lipschitz=kind, penalty=penalty, hidden=(32, 32), max_iter=steps, batch=256, lr=0.005, certify=50,
        device="cpu",
    )  # fmt: skip
    z = (np.arange(2000) + 0.5) / 2000
    raw = r.u(z + 0.5).mean() - r.u(z).mean()
    assert raw == pytest.approx(W1 + bias(penalty), rel=0.03)
    assert raw > W1, "an estimate from above, though it is called a lower bound"
    assert r.population is None
