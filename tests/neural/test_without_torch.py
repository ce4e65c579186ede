"""Where torch is missing everything else works, and the critic says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules['torch'] = None\n"  # what a missing module looks like


def run(code):
    done = subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "call",
    [
        "otcore.solve([0.0, 1.0], [2.0], method='critic')",
        "otcore.wasserstein([0.0, 1.0], [2.0], method=Critic(seed=1))",
        "otcore.neural.w1_critic",
        "otcore.neural.Funnel",
    ],
)
def test_the_critic_names_the_install_line(call):
    code = f"""
import otcore, otcore.neural
from otcore.solvers.critic import Critic
try:
    {call}
except otcore.MissingDependencyError as error:
    print(error)
"""
    assert "pip install 'otcore[torch]'" in run(code)


def test_the_rest_works_and_the_method_is_listed_as_unavailable():
    code = """
import otcore
critic = next(m for m in otcore.methods() if m.name == "critic")
print(critic.available, critic.requires, round(otcore.wasserstein([0.0, 1.0], [2.0]), 9))
"""
    assert run(code).split() == ["False", "('torch',)", "1.5"]


def test_a_name_that_does_not_exist_is_no_matter_of_torch():
    import otcore.neural

    with pytest.raises(AttributeError, match="no_such_part"):
        otcore.neural.no_such_part  # noqa: B018
