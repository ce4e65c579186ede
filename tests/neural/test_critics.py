"""The critic as an estimator: what it claims holds, and what it cannot claim it says."""

from __future__ import annotations

import numpy as np
import pytest
import rays

import otcore

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")
pytestmark = pytest.mark.torch

from otcore.neural import Ending, PopulationBound, w1_critic  # noqa: E402
from otcore.neural.options import CLASSES  # noqa: E402
from otcore.solvers.critic import Critic  # noqa: E402

QUICK = {"max_iter": 60, "batch": 128, "hidden": (32, 32), "device": "cpu"}


def samples(pair, n, seed=0):
    rng = np.random.default_rng(seed)
    return pair.x(n, rng), pair.y(n, rng)


def stream(draw):
    return lambda n, g: draw(n, np.random.default_rng(int(torch.randint(1 << 62, (), generator=g))))


X, Y = samples(rays.shift(2), 300)


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks on many threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("lipschitz", ["auto", *CLASSES])
def test_every_class_gives_a_valid_interval_and_states_what_it_proves(lipschitz):
    r = w1_critic(X, Y, lipschitz=lipschitz, confidence=0.999, **QUICK)  # of 0.95 one test in twenty would fail
    exact = otcore.wasserstein(X, Y)
    assert r.empirical.lower <= exact <= r.empirical.upper
    assert r.empirical.certificate.verify()
    if lipschitz in ("gp", "lp", "clip"):
        assert r.population is None and r.lipschitz_certified is None
        assert lipschitz in r.why_no_population
    else:
        assert r.lipschitz_observed <= r.lipschitz_certified * (1 + 1e-6)
        assert r.population.lower <= 1.0 and r.why_no_population == ""
        assert r.population.lower < r.population.mean == pytest.approx(r.held_out / max(1, r.lipschitz_certified))
    assert r.lipschitz in CLASSES


@pytest.mark.parametrize(
    ("pair", "lipschitz", "error", "cosine"),
    [
        (rays.funnels(8, 4), "funnel", 0.02, 0.95),
        (rays.shift(8), "orthogonal", 0.02, 0.99),
        (rays.dilation(8, 2), "projected", 0.05, 0.95),
    ],
    ids=lambda v: getattr(v, "name", str(v)),
)
def test_fresh_samples_train_a_critic_close_to_the_truth(pair, lipschitz, error, cosine):
    side = "y" if lipschitz == "projected" else "x"
    r = w1_critic(
        stream(pair.x), stream(pair.y), lipschitz=lipschitz, side=side, max_iter=250, batch=512, n_funnels=256,
        hidden=(64, 64), certify=200, device="cpu",
    )  # fmt: skip
    x, y = pair.couple(20_000, np.random.default_rng(7))
    truth = np.linalg.norm(x - y, axis=1).mean()
    assert (r.u(x) - r.u(y)).mean() == pytest.approx(truth, rel=error)
    g, h = r.grad(x), pair.gradient(x)
    assert (g * h).sum() >= cosine * np.sqrt((g * g).sum() * (h * h).sum())
    assert np.allclose(np.linalg.norm(r.direction(x[:50]), axis=1), 1)


@pytest.mark.parametrize("pair", [rays.shift(8), rays.dilation(8, 2)], ids=lambda pair: pair.name)
def test_auto_is_about_as_good_as_the_best_class(pair):
    x, y = samples(pair, 2000)
    options = {**QUICK, "max_iter": 150, "n_funnels": 64, "certify": 50}
    r = w1_critic(x, y, **options)
    alone = [w1_critic(x, y, lipschitz=name, **options) for name in ("orthogonal", "funnel", "projected")]
    assert r.held_out >= max(other.held_out for other in alone) / 1.1


def test_the_same_seed_gives_the_same_critic_and_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    first, again, other = (w1_critic(X, Y, seed=seed, **QUICK) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(first.u(X), again.u(X))
    assert (first.estimate, first.empirical.lower) == (again.estimate, again.empirical.lower)
    assert not np.array_equal(first.u(X), other.u(X))


@pytest.mark.parametrize("unit", [1e-120, 1e-3, 1e6, 1e120])
def test_units_and_offsets_change_nothing_but_the_unit(unit):
    first = w1_critic(X, Y, lipschitz="funnel", **QUICK)
    moved = w1_critic(unit * (X + 8), unit * (Y + 8), lipschitz="funnel", **QUICK)
    assert moved.estimate / unit == pytest.approx(first.estimate, rel=1e-3)
    assert moved.empirical.lower / unit == pytest.approx(first.empirical.lower, rel=1e-3)


def test_the_population_bound_covers():
    """With the best potential there is the coverage is the confidence itself; 200 repeats leave 3 per cent."""
    rng = np.random.default_rng(0)
    truth, covered = 1.0, 0
    for _ in range(200):
        x, y = samples(rays.shift(4), 300, rng)
        u_x, u_y = (torch.tensor(rays.shift(4).potential(z)) for z in (x, y))
        covered += PopulationBound.of(u_x, u_y, 1.0, 0.95).lower <= truth
    assert 0.91 <= covered / 200 <= 0.99


def test_a_larger_lipschitz_constant_lowers_the_bound():
    u = torch.linspace(0, 1, 100, dtype=torch.float64)
    one, two = (PopulationBound.of(u + 1, u, L, 0.95) for L in (1.0, 2.0))
    assert two.lower == pytest.approx(one.lower / 2)


def test_weights_are_part_of_the_measure():
    w = np.array([1.0] * 150 + [3.0] * 150)
    r = w1_critic(X, Y, weights=(w, None), lipschitz="funnel", **QUICK)
    p = otcore.Measure(X, w).normalized()
    exact = otcore.wasserstein(p, Y)
    assert r.empirical.lower <= exact <= r.empirical.upper
    assert r.empirical.upper == pytest.approx(exact, rel=1e-9)
    assert r.population is None and "weighted" in r.why_no_population


def test_tensors_are_points_like_arrays():
    arrays, tensors = (
        w1_critic(x, y, lipschitz="funnel", **QUICK) for x, y in ((X, Y), (torch.tensor(X), torch.tensor(Y)))
    )
    assert (arrays.estimate, arrays.empirical.upper) == (tensors.estimate, tensors.empirical.upper)


def test_few_samples_are_all_trained_on():
    r = w1_critic(X[:5], Y[:4], **QUICK)
    assert r.population is None and "fewer than 20" in r.why_no_population
    assert r.empirical.lower <= otcore.wasserstein(X[:5], Y[:4]) <= r.empirical.upper


def test_high_dimension_is_warned_of():
    x, y = samples(rays.shift(32), 100)
    r = w1_critic(x, y, lipschitz="orthogonal", **QUICK)
    assert any("zero potential" in warning for warning in r.warnings)


# -- how training ends ------------------------------------------------------------------------------------------


class Breaks(torch.nn.Module):
    """1-Lipschitz until its ``limit``-th call, then NaN."""

    def __init__(self, limit):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.6, 0.8]))
        self.calls, self.limit = 0, limit

    def forward(self, z):
        self.calls += 1
        return z @ self.weight * (float("nan") if self.calls > self.limit else 1.0)

    def lipschitz_bound(self):
        return float(torch.linalg.vector_norm(self.weight))


def test_a_module_of_the_users_own_is_trained_and_theirs_is_left_alone():
    own = Breaks(10**9)
    r = w1_critic(X, Y, lipschitz=own, lr=1e-3, confidence=0.999, **QUICK)
    assert r.lipschitz == "Breaks" and r.lipschitz_certified > 0
    assert own.calls == 0
    assert r.population.lower <= 1.0


def test_divergence_keeps_the_last_good_critic_and_says_so():
    class Explodes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([0.6, 0.8]))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, z):
            if self.training:
                self.calls += 1
            return z @ self.weight * torch.where(self.calls > 20, torch.nan, 1.0)

        def lipschitz_bound(self):
            return 2.0

    r = w1_critic(X, Y, lipschitz=Explodes(), lr=1e-3, **QUICK)
    assert r.status is Ending.DIVERGED
    assert any("diverged" in warning for warning in r.warnings)
    assert np.isfinite(r.u(X)).all()
    assert r.empirical.lower <= otcore.wasserstein(X, Y) <= r.empirical.upper


def test_time_callback_and_gap_end_the_training():
    slow = {**QUICK, "max_iter": 10**6, "lipschitz": "orthogonal"}
    assert w1_critic(X, Y, max_seconds=0.5, **slow).status is Ending.TIME
    seen = []
    r = w1_critic(X, Y, callback=lambda step: seen.append(step) or len(seen) < 2, **{**slow, "max_iter": 400})
    assert r.status is Ending.CALLBACK and len(seen) == len(r.history) == 2
    r = w1_critic(X, Y, rtol=0.2, **{**slow, "max_iter": 4000})
    assert r.status is Ending.GAP
    assert r.empirical.gap <= 0.2 * r.empirical.upper


# -- as a method ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_as_a_method_it_reports_in_the_users_units(scale):
    s = otcore.solve(scale * X, scale * Y, method=Critic(lipschitz="orthogonal", **QUICK))
    exact = otcore.wasserstein(scale * X, scale * Y)
    assert s.method == "critic"
    assert s.lower <= exact <= s.upper
    assert s.certificate.verify()
    assert s.upper == pytest.approx(exact, rel=1e-9)
    assert s.report.empirical.lower == pytest.approx(s.lower, rel=1e-9)
    assert s.report.estimate == pytest.approx(scale, rel=0.5)


def test_polish_closes_the_gap():
    s = otcore.solve(X, Y, method=Critic(polish=True, lipschitz="funnel", **QUICK), rtol=1e-9)
    assert s.certified
    assert s.report.skill < 1, "the report still speaks of the critic"


def test_it_works_on_the_line():
    s = otcore.solve(X[:, 0], Y[:, 0], method=Critic(lipschitz="orthogonal", **QUICK))
    assert s.lower <= otcore.wasserstein(X[:, 0], Y[:, 0]) <= s.upper


def test_a_limit_on_time_is_kept():
    s = otcore.solve(X, Y, method=Critic(max_iter=10**6, device="cpu"), max_seconds=2.0, rtol=0.0, atol=0.0)
    assert s.trace[-1].seconds < 8
    assert s.lower <= otcore.wasserstein(X, Y) <= s.upper


D = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: otcore.solve(X, Y, order=2, method="critic"), otcore.UnsupportedProblemError, "metric"),
        (lambda: otcore.solve(X, Y, metric="cityblock", method="critic"), otcore.UnsupportedProblemError, "cityblock"),
        (
            lambda: otcore.solve([0.2] * 5, [0.2] * 5, metric=D, method="critic"),
            otcore.UnsupportedProblemError,
            "points",
        ),
        (lambda: w1_critic(np.full((9, 2), np.nan), Y), otcore.NonFiniteError, r"x\[0, 0\]"),
        (lambda: w1_critic(X, Y[:, :1]), otcore.ShapeError, "dimension"),
        (lambda: w1_critic(X[:1], Y), otcore.ShapeError, "at least 2"),
        (lambda: w1_critic(X, Y, weights=([1.0], None)), otcore.ShapeError, "weights of x"),
        (lambda: w1_critic(X, Y, lipschitz="wgan"), otcore.InvalidProblemError, "orthogonal"),
        (lambda: w1_critic(X, Y, confidence=95), otcore.InvalidProblemError, "confidence"),
        (lambda: w1_critic(X, Y, confidence="x"), otcore.InvalidProblemError, "confidence"),
        (lambda: w1_critic(X, Y, confidence=0.0), otcore.InvalidProblemError, "confidence"),
        (lambda: w1_critic(X, Y, certify=1.5), otcore.InvalidProblemError, "certify"),
        (lambda: w1_critic(X, Y, rtol="x"), otcore.InvalidProblemError, "rtol"),
        (lambda: w1_critic(X, Y, max_seconds=np.nan), otcore.InvalidProblemError, "max_seconds"),
        (lambda: w1_critic(X, Y, weights=3), otcore.InvalidProblemError, "weights is 3; expected a pair"),
        (lambda: w1_critic(X, Y, weights=(None,)), otcore.InvalidProblemError, "weights is .* expected a pair"),
        (lambda: w1_critic(X, Y, device="x"), otcore.InvalidProblemError, "device is 'x'; expected"),
        (lambda: otcore.solve(X, Y, method=otcore.Critic(device="")), otcore.InvalidProblemError, "device is ''"),
        (lambda: w1_critic(X, Y, device="meta"), otcore.UnsupportedProblemError, "device is 'meta'.*use 'cpu'"),
        (lambda: w1_critic(lambda n, g: X[:3], Y), otcore.ShapeError, "expected"),
        (lambda: w1_critic(lambda n, g: np.full((n, 2), np.inf), Y), otcore.NonFiniteError, "finite"),
        (lambda: w1_critic(X, Y, sede=1), TypeError, "sede"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_options_in_the_numbers_of_numpy_give_the_same_critic():
    """Regression: ``Critic(seed=np.int64(2))`` was a TypeError of torch's."""
    options = {"lipschitz": "orthogonal", "hidden": (8,), "max_iter": 3, "seed": 2, "device": "cpu"}
    numpys = {**options, "hidden": np.array([8]), "max_iter": np.int64(3), "seed": np.int64(2)}
    numpys["device"] = torch.device("cpu")
    one, other = (otcore.solve(X, Y, method=otcore.Critic(**chosen)) for chosen in (options, numpys))
    assert (one.lower, one.report.held_out) == (other.lower, other.report.held_out)


@pytest.mark.parametrize(
    "options", [{"lr": 1e30}, {"lipschitz": "clip", "clip": 1e30}, {"lipschitz": "gp", "penalty": 1e30}]
)
def test_the_largest_numbers_diverge_and_do_not_break(options):
    s = otcore.solve(X, Y, method=otcore.Critic(**{**options, "max_iter": 3, "device": "cpu"}))
    assert s.lower <= s.upper


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is present")
def test_cuda_that_is_not_there_is_an_error():
    with pytest.raises(otcore.UnsupportedProblemError, match="CUDA"):
        w1_critic(X, Y, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_runs_the_same_code():
    cpu, gpu = (w1_critic(X, Y, lipschitz="funnel", **{**QUICK, "device": device}) for device in ("cpu", "cuda"))
    assert gpu.device.startswith("cuda")
    assert gpu.empirical.upper == pytest.approx(cpu.empirical.upper, rel=1e-10)
