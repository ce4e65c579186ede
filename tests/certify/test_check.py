"""A proof that travels: every genuine file is accepted, every file whose interval does not follow is rejected."""

from __future__ import annotations

import copy
import json
import math
import shutil
import subprocess
import sys
from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import ZOO

import otcore
from otcore.certify import check, export
from otcore.cli import main

ALGEBRAIC = [z for z in ZOO if (2 * z.make()[2].get("order", 1)) % 1 == 0]
TIGHT = [
    "two by two", "boxes", "plane", "plane order three halves", "chebyshev lattice", "cityblock order 3",
    "half of the arcs forbidden", "costs of both signs", "samples in single precision", "line order 2 weighted",
]  # fmt: skip


def record_of(problem, method="auto"):
    p, q, options = problem.make()
    return export.to_record(otcore.solve(p, q, method=method, **options).certificate)


# -- genuine files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("problem", ALGEBRAIC, ids=str)
@pytest.mark.parametrize("method", ["auto", "dual", "sinkhorn"])
def test_every_genuine_file_is_accepted(problem, method, tmp_path):
    p, q, options = problem.make()
    solution = otcore.solve(p, q, method=method, **options)
    path = tmp_path / "proof.json"
    solution.certificate.to_json(path)
    record = check.read(path)
    assert "the interval follows" in check.check(record)
    assert (record["lower"], record["upper"]) == (solution.lower, solution.upper), "no digit is lost on the way"
    lo, hi = problem.truth
    assert record["lower"] <= hi and lo <= record["upper"]
    assert follows(record), "the slow twin agrees"


@pytest.mark.parametrize("n", [3, 30])
def test_an_entropic_plan_is_written_in_integers(n):
    """Stopped early the certificate holds an entropic plan; the file does without ``exp``."""
    rng = np.random.default_rng(n)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    solution = otcore.solve(x, y, method=otcore.Sinkhorn(epsilon=0.1), rtol=0.9)
    record = export.to_record(solution.certificate)
    assert follows(record)
    assert record["upper"] == solution.upper
    if n == 30:
        assert type(solution.plan).__name__ == "GibbsPlan" and len(record["plan"]) > 2 * n


def test_weights_of_different_sums_travel():
    rng = np.random.default_rng(2)
    a, b = rng.random(12), rng.random(9)
    a, b = a / a.sum(), b / b.sum() * (1 - 2**-52)
    for M in (rng.random((12, 9)), np.where(rng.random((12, 9)) < 0.3, np.inf, 1.0)):
        assert follows(export.to_record(otcore.solve(a, b, cost=M).certificate))


@pytest.mark.parametrize("order", [1, 1.5, 2, 2.5])
def test_a_distance_matrix_travels(order):
    D = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))) / 3
    record = export.to_record(otcore.solve([4, 0, 1, 1], [1, 2, 3, 0], metric=D, order=order).certificate)
    assert record["cost"] == {"exponent": order, "matrix": D.tolist()}
    assert follows(record)


def test_what_cannot_be_proved_is_refused_with_the_reason(monkeypatch):
    with pytest.raises(otcore.UnsupportedProblemError, match=r"3\.1.*multiple of 1/2"):
        otcore.solve([0.0], [1.0], order=3.1).certificate.to_json("unused")
    solution = otcore.solve(np.arange(2001.0), np.arange(2000.0))
    with pytest.raises(otcore.ProblemTooLargeError, match="2001 x 2000"):
        solution.certificate.to_json("unused")
    # Each row has one arc only, and the weights differ in the last bit: only perturbed weights can be met.
    a, b = [1.5, 0.5], [1.5 - 2**-52, 0.5 + 2**-52]
    cut = otcore.solve(a, b, cost=[[1, np.inf], [np.inf, 1]])
    with pytest.raises(otcore.UnsupportedProblemError, match="perturbed"):
        cut.certificate.to_json("unused")


def test_the_file_alone_runs_where_otcore_is_not_installed(tmp_path):
    record = record_of(ZOO[0])
    shutil.copy(check.__file__, tmp_path / "check.py")
    wrong = record | {"lower": math.nextafter(record["upper"], math.inf)}
    for name, content in (("good", record), ("bad", wrong)):
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "torn").write_text(json.dumps(record)[:-9])
    for name, status, says in (("good", 0, "42.0"), ("bad", 1, "lower"), ("torn", 2, ""), ("none", 2, "No such")):
        command = [sys.executable, "-I", "-S", "check.py", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert says in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_the_command_line_gives_the_checkers_verdict(tmp_path, capsys):
    path = tmp_path / "proof.json"
    otcore.solve([0.0, 1.0], [5.0, 6.0]).certificate.to_json(path)
    assert main(["verify", str(path)]) == 0
    assert "5.0 <= W <= 5.0" in capsys.readouterr().out
    path.write_text(path.read_text().replace('"upper": 5.0', '"upper": 4.5'))
    assert main(["verify", str(path)]) == 1
    path.write_text("[" * 100_000)
    assert main(["verify", str(path)]) == 2


# -- a slow checker of the test's own: the oracle of what is harmful ---------------------------------------------


def real_costs(cost):
    """The matrix of real costs, to 90 digits; None forbids an arc."""
    number = lambda x: Fraction(float(x))  # noqa: E731
    p = number(cost["exponent"])
    if "matrix" in cost and p == 1:
        return [[None if x is None else number(x) for x in row] for row in cost["matrix"]]
    if "matrix" in cost:
        return [[None if x is None else naive.real_power(number(x), p) for x in row] for row in cost["matrix"]]
    return [[naive.real_distance_power(x, y, cost["metric"], p) for y in cost["y"]] for x in cost["x"]]


def follows(record):
    """Whether plan and potentials prove the interval, in Fractions; False for whatever is not even a proof."""
    try:
        if type(record["bits"]) is not int or not 0 <= record["bits"] <= 9999:
            return False  # 4 ** bits would take for ever
        if not 1 <= float(record["cost"]["exponent"]) <= 32:
            return False  # and so would such a power
        a, b, f, g = ([Fraction(float(v)) for v in record[name]] for name in "abfg")
        M = real_costs(record["cost"])
        n, m = len(M), len(M[0])
        if min(a) < 0 or min(b) < 0 or (len(a), len(b), len(f), len(g)) != (n, m, n, m):
            return False
        ratio = sum(a) / sum(b)
        if any(M[i][j] is not None and f[i] + g[j] > M[i][j] for i in range(n) for j in range(m)):
            return False
        unit = 1 / (Fraction(4) ** record["bits"] * sum(b))
        P = [[Fraction(0)] * m for _ in range(n)]
        for i, j, p in record["plan"]:
            if p < 0 or i < 0 or j < 0 or M[i][j] is None:
                return False
            P[i][j] += p * unit
        if [sum(row) for row in P] != a or [sum(column) for column in zip(*P, strict=True)] != [w * ratio for w in b]:
            return False
        price = sum(P[i][j] * M[i][j] for i in range(n) for j in range(m) if P[i][j])
        dual = sum(map(Fraction.__mul__, a, f)) + ratio * sum(map(Fraction.__mul__, b, g))
        return Fraction(float(record["lower"])) <= dual and price <= Fraction(float(record["upper"]))
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, ZeroDivisionError, AttributeError):
        return False


def contains_the_truth(record):
    """Whether the exact optimum lies in the interval, whatever the proof."""
    W = naive.transport(*([Fraction(float(v)) for v in record[name]] for name in "ab"), real_costs(record["cost"]))
    error = abs(W) * Fraction(1, 10**80)
    return Fraction(float(record["lower"])) <= W + error and W - error <= Fraction(float(record["upper"]))


def accepted(record, path):
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return main(["verify", str(path)]) == 0


# -- mutations ---------------------------------------------------------------------------------------------------


def places(node, path=()):
    """Paths to every node of a JSON tree below the root."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def at(node, path):
    for key in path:
        node = node[key]
    return node


def ulp(x, direction):
    return math.nextafter(x, direction * math.inf) if isinstance(x, float) else x + direction


CHANGES = {
    "flip": lambda x: -x,
    "one ulp up": lambda x: ulp(x, +1),
    "one ulp down": lambda x: ulp(x, -1),
    "double": lambda x: 2 * x,
    "halve": lambda x: x / 2 if isinstance(x, float) else x // 2,
    "shrink a little": lambda x: x * (1 - 1e-9),
    "grow a little": lambda x: x * (1 + 1e-9),
    "zero": lambda x: 0,
    "one": lambda x: 1.0,
    "huge integer": lambda x: 10**400,
    "integer of 5000 digits": lambda x: 10**4000 * 10**1000,
    "large float": lambda x: 1e308,
    "nan": lambda x: math.nan,
    "infinity": lambda x: math.inf,
    "minus infinity": lambda x: -math.inf,
    "null": lambda x: None,
    "text": str,
    "hex text": lambda x: float(x).hex(),
    "true": lambda x: True,
    "list": lambda x: [x],
    "object": lambda x: {"kind": x},
    "empty list": lambda x: [],
    "empty object": lambda x: {},
}


@pytest.fixture(scope="module")
def genuine():
    return [record_of(z) for z in ZOO if z.name in TIGHT]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    return tmp_path_factory.mktemp("mutations") / "proof.json"


@given(st.data())
@settings(max_examples=600)
def test_no_harmful_change_is_accepted(genuine, where, data):
    record = copy.deepcopy(data.draw(st.sampled_from(genuine)))
    for _ in range(data.draw(st.sampled_from([1, 1, 1, 2]))):
        paths = list(places(record))
        # One field in ten is a whole list: draw the branch first, so that lower and bits are met as often as M.
        branch = data.draw(st.sampled_from(sorted({p[0] for p in paths})))
        path = data.draw(st.sampled_from([p for p in paths if p[0] == branch]))
        parent, key = at(record, path[:-1]), path[-1]
        kind = data.draw(st.sampled_from([*CHANGES, "drop", "repeat", "swap", "extra key"]))
        if kind == "drop":
            del parent[key]
        elif kind == "repeat" and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif kind == "swap":
            other = data.draw(st.sampled_from(paths))
            if other[: len(path)] != path and path[: len(other)] != other:
                stranger = at(record, other[:-1])
                parent[key], stranger[other[-1]] = stranger[other[-1]], parent[key]
        elif kind == "extra key" and isinstance(parent, dict):
            parent["lower_"] = parent[key]
        elif kind in CHANGES:
            try:
                parent[key] = CHANGES[kind](parent[key])
            except (TypeError, ValueError, OverflowError):
                continue  # the change has no meaning for this kind of node
    try:
        taken = accepted(record, where)
    except ValueError:
        assert "digits" in str(sys.exc_info()[1]), "only our own writer may refuse 5000 digits"
        return
    if taken:
        assert follows(record)
        assert contains_the_truth(record)


def test_the_mutations_meet_both_verdicts(genuine, where):
    """The strategy above would be empty if nothing were harmless, or nothing harmful."""
    record = genuine[0]
    slack = [record | {"upper": record["upper"] * 2}, record | {"lower": record["lower"] / 2}]
    assert all(accepted(r, where) and follows(r) for r in slack)
    for field, change in [("lower", 2), ("upper", 0.5)]:
        harmed = record | {field: record[field] * change}
        assert not accepted(harmed, where) and not follows(harmed)


@pytest.mark.parametrize("direction", [-1, 1])
def test_every_tight_number_moved_by_one_ulp_is_judged_as_the_oracle_does(genuine, where, direction):
    """A checker that said no to everything would pass the mutations; here acceptance must be exact."""
    verdicts = set()
    for record in genuine:
        for path in places(record):
            x = at(record, path)
            if type(x) is not float or (path[0] == "cost" and path[1] == "exponent"):
                continue
            changed = copy.deepcopy(record)
            at(changed, path[:-1])[path[-1]] = ulp(x, direction)
            verdict = follows(changed)
            assert accepted(changed, where) is verdict, path
            verdicts.add((path[0], verdict))
    moved = {(name, verdict) for name in "fg" for verdict in (True, False)}
    assert moved | {("lower", direction < 0), ("upper", direction > 0)} <= verdicts


@pytest.mark.parametrize("field", sorted(check.KEYS))
def test_a_key_that_stands_twice_is_unreadable(genuine, where, field):
    text = json.dumps(genuine[0])
    assert not accepted(text[:-1] + f', "{field}": {json.dumps(genuine[0][field])}}}', where)


def test_a_file_cut_anywhere_is_unreadable(genuine, where):
    text = json.dumps(genuine[0])
    for end in range(len(text)):
        where.write_text(text[:end])
        assert main(["verify", str(where)]) == 2
    assert not accepted(text + "0", where)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'"otcore"', b"\x00" * 9, b"1e999", b'{"a": NaN}'], ids=repr
)
def test_other_files_are_unreadable(where, content):
    where.write_bytes(content)
    assert main(["verify", str(where)]) == 2
