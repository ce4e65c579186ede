"""Instances: the same numbers from the same name, of about the size asked for."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import otcore
from otcore.bench.images import gaussian_field
from otcore.bench.instance import Instance, families
from otcore.errors import InvalidProblemError, MissingDependencyError

DRAWN = [name for name, kind in families().items() if not kind.data and not kind.missing]


@pytest.mark.parametrize("name", DRAWN)
def test_a_family_makes_the_same_problem_twice_and_another_from_another_seed(name):
    one, again, other = (Instance(name, 49, seed).problem() for seed in (0, 0, 1))
    assert np.array_equal(one.a, again.a) and np.array_equal(one.cost.rows(0, 5), again.cost.rows(0, 5))
    assert (
        other.shape != one.shape
        or not np.array_equal(other.cost.rows(0, 5), one.cost.rows(0, 5))
        or (not np.array_equal(other.a, one.a))
    )
    assert 24 <= min(one.shape) and max(one.shape) <= 98
    assert one.mass == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", DRAWN)
def test_a_family_says_in_one_line_what_it_is(name):
    assert families()[name].summary.endswith(".")


def test_an_unknown_family_is_named_with_those_there_are():
    with pytest.raises(InvalidProblemError, match=r"no instances called 'planes'.*plane"):
        Instance("planes", 10).problem()


def test_funnels_bring_their_truth_along():
    p, q, _ = Instance("funnels", 60).arguments()
    rng = np.random.default_rng([zlib.crc32(b"funnels"), 60, 0])
    c = rng.normal(size=(16, 8))
    u = [np.linalg.norm(z[:, None] - c, axis=2).min(axis=1).mean() for z in (p.points, q.points)]
    s = otcore.solve(p, q)
    assert s.lower <= (u[0] - u[1]) * (1 + 1e-14) and u[0] - u[1] <= s.upper * (1 + 1e-14)


def test_a_family_whose_files_are_not_installed_says_so(monkeypatch):
    monkeypatch.setattr("otcore.bench.instance.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="digits is read from files of sklearn"):
        Instance("digits", 40).problem()


def test_files_are_read_from_the_folder_given_and_never_named(tmp_path):
    folder = tmp_path / "Shapes"
    folder.mkdir()
    for k in (1, 2):
        np.savetxt(folder / f"data8_{k}.csv", np.full((8, 8), 3) + np.eye(8) * k, delimiter=",", fmt="%d")
    instance = Instance("dotmark-Shapes", 64, data=tmp_path)
    assert instance.problem().shape == (64, 64)
    assert str(tmp_path) not in repr(instance) + instance.name
    with pytest.raises(InvalidProblemError, match="data16"):
        Instance("dotmark-Shapes", 256, data=tmp_path).problem()
    with pytest.raises(InvalidProblemError, match="--data"):
        Instance("dotmark-Shapes", 64).problem()


@pytest.mark.parametrize(("nu", "gamma"), [(0.25, 0.05), (1.0, 0.15), (2.5, 0.3)])
def test_a_gaussian_field_has_variance_one_and_the_covariance_of_matern(nu, gamma):
    from scipy.special import gamma as Gamma
    from scipy.special import kv

    rng, k, draws = np.random.default_rng(0), 8, 4000
    fields = np.array([gaussian_field(rng, k, nu, gamma) for _ in range(draws)])
    r = np.sqrt(2 * nu) * (1 / k) / gamma
    neighbours = 2 ** (1 - nu) / Gamma(nu) * r**nu * kv(nu, r)
    error = 5 * np.sqrt(2 / draws)  # five standard errors of a variance
    assert np.mean(fields[:, 3, 3] ** 2) == pytest.approx(1.0, abs=error)
    assert np.mean(fields[:, 3, 3] * fields[:, 3, 4]) == pytest.approx(neighbours, abs=error)
