"""``otcore demo``: the lecture's problem is the lecture's, the table certifies, the picture is there."""

from __future__ import annotations

from fractions import Fraction

import matplotlib.image
import numpy as np
import pytest

import otcore
from otcore import demo
from otcore.cli import main

EXACT = {"line", "linprog", "dual", "emd", "network-simplex"}


@pytest.mark.parametrize("gamma", [demo.GAMMA_1, demo.GAMMA_2])
def test_both_plans_of_the_lecture_move_every_box_and_cost_42(gamma):
    p, q = demo.boxes()
    plan = demo.box_plan(gamma)
    for got, measure in zip(plan.marginals(), (p, q), strict=True):
        np.testing.assert_array_equal(got, measure.weights)
    assert plan.cost(otcore.solve(p, q).problem.cost) == 42
    assert sum(Fraction(k) * abs(x - y) for (x, y), k in gamma.items()) == 42


def test_the_potential_minus_x_proves_both_plans():
    p, q = demo.boxes()
    assert demo.GAMMA_1 != demo.GAMMA_2
    assert q.weights @ q.points - p.weights @ p.points == 42
    assert p.mass == 6 and 42 / p.mass == 7


def test_the_real_data_is_what_the_headings_say():
    flag, face = demo.colours()
    assert flag.points.shape == face.points.shape == (256, 3)
    assert 0 <= flag.points.min() and flag.points.max() <= 1
    assert flag.points[:, 2].mean() > flag.points[:, 0].mean()  # a blue flag
    assert face.points[:, 0].mean() > face.points[:, 2].mean()  # a face is not
    calm, crisis = demo.returns()
    assert calm.dim == crisis.dim == 1 and calm.size == 251  # trading days of 2007
    assert crisis.points.std() > 1.5 * calm.points.std()


def test_the_demo_prints_a_certified_table_and_saves_its_picture(capsys, tmp_path, monkeypatch):
    kept = {}
    compare = demo.compare

    def remembered(p, q, **options):
        for solution, seconds in compare(p, q, **options):
            kept.setdefault((p.size, q.size), []).append(solution)
            yield solution, seconds

    monkeypatch.setattr(demo, "compare", remembered)
    assert main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    boxes, colours, returns = kept.values()
    assert {s.method for s in returns} == EXACT | {"sinkhorn"} == {s.method for s in boxes}
    assert {s.method for s in colours} == (EXACT - {"line"}) | {"sinkhorn"}
    for solutions in kept.values():
        assert max(s.lower for s in solutions) <= min(s.upper for s in solutions)  # all hold the truth
        for s in solutions:
            assert s.relative_gap <= (1e-9 if s.method in EXACT else 1e-2), s.method
            assert f"{s.upper:.16g}" in out
    assert all(s.lower <= 42 <= s.upper for s in boxes)
    assert "Both plans are optimal" in out
    path = tmp_path / demo.PICTURE
    assert str(path.resolve()) in out
    picture = matplotlib.image.imread(path)
    assert picture.shape[0] > 1000 and picture.std() > 0.05  # not a blank page


def test_a_missing_folder_is_refused(capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
