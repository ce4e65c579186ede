"""Settings that every test shares."""

from __future__ import annotations

import os

import matplotlib
import pytest
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")  # no display is needed to draw

# Compilation and machine load must not fail a law; examples are the same in every run.
settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels():
    """Test what users run for long, not what the first small question of a fresh installation runs."""
    from otcore._kernels._kernel import compiled

    with compiled():
        yield
