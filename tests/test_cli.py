"""The command line, run in process: exit statuses, one-line errors, and numbers that agree with the library."""

from __future__ import annotations

import json

import numpy as np
import pytest

import otcore
from otcore.cli import main

A = "1.0, 2.0\n0.5, 0.0\n-1.0, 3.0\n"
B = "0.0; 1.0\n2.0; 2.0\n"


@pytest.fixture
def files(tmp_path):
    """Write files from their text and hand back a function that gives their paths."""

    def write(**texts):
        paths = []
        for name, text in texts.items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text, encoding="utf-8")
            paths.append(str(path))
        return paths

    return write


def run(capsys, *argv):
    status = main([str(argument) for argument in argv])
    out, err = capsys.readouterr()
    return status, out, err


def record(capsys, *argv):
    status, out, err = run(capsys, *argv, "--json")
    assert status == 0, err
    return json.loads(out)


def numbers(text):
    return np.array([[float(v) for v in line.replace(";", ",").split(",")] for line in text.splitlines()])


def test_w1_of_two_sample_files_is_the_distance_of_the_library(capsys, files):
    got = record(capsys, "w1", *files(a=A, b=B))
    assert got["lower"] <= got["value"] <= got["upper"]
    assert got["distance"] == got["value"] == otcore.wasserstein(numbers(A), numbers(B))
    assert got["status"] == "certified" and got["relative_gap"] <= got["rtol"]


def test_json_holds_every_promised_key_and_finite_numbers(capsys, files):
    got = record(capsys, "wasserstein", *files(a=A, b=B), "--order", 2)
    promised = (
        "value lower upper gap relative_gap distance distance_lower distance_upper order method status rtol seconds"
    )
    assert set(promised.split()) <= set(got)
    assert all(np.isfinite(v) for v in got.values() if isinstance(v, float))
    assert got["distance_lower"] <= got["value"] ** 0.5 <= got["distance_upper"]


def test_order_and_metric_reach_the_solver(capsys, files):
    paths = files(a=A, b=B)
    got = record(capsys, "wasserstein", *paths, "--order", 3, "--metric", "cityblock", "--method", "emd")
    want = otcore.wasserstein(numbers(A), numbers(B), order=3, metric="cityblock", method="emd")
    assert got["distance"] == pytest.approx(want, rel=1e-12) and got["method"] == "emd"


def test_the_plain_sentence_shows_value_and_interval(capsys, files):
    status, out, err = run(capsys, "w1", *files(a="0\n1\n", b="2\n3\n"))
    assert status == 0 and err == ""
    assert out.startswith("value    2 ") and "[" in out and "method   line" in out


def test_a_header_comments_and_white_space_are_read_over(capsys, files):
    texts = {
        "a": "# units: metres\nx y\n1.0 2.0  # the first\n0.5 0.0\n\n-1.0 3.0\n",
        "b": "\ufeffx;y\n0.0;1.0\n2.0;2.0\n",
    }
    assert record(capsys, "w1", *files(**texts))["value"] == otcore.wasserstein(numbers(A), numbers(B))


def test_the_weights_column_counts_from_one(capsys, files):
    paths = files(a="3,1\n1,2\n2,3\n", b="1,7\n1,8\n2,9\n2,10\n")
    got = record(capsys, "w1", *paths, "--weights-column", 1)
    assert got["lower"] <= 42 <= got["upper"] and got["upper"] - got["lower"] < 1e-9


def test_a_cost_file_makes_the_other_files_weights(capsys, files):
    a, b, m = files(a="0.5\n0.5\n", b="0.25, 0.75\n", m="0,1\n1,0\n")
    assert record(capsys, "w1", a, b, "--cost", m)["value"] == 0.25
    a, b, d = files(a="1\n0\n", b="0.5\n0.5\n", d="0,2\n2,0\n")
    assert record(capsys, "wasserstein", a, b, "--metric", d, "--order", 2)["distance"] == pytest.approx(
        2**0.5, rel=1e-12
    )


def test_a_forbidden_arc_may_stand_in_a_cost_file(capsys, files):
    a, b, m = files(a="1\n1\n", b="1\n1\n", m="inf,1\n1,0\n")
    assert record(capsys, "w1", a, b, "--cost", m)["value"] == 2.0


def test_a_broken_npy_header_is_refused_like_any_other_file(tmp_path):
    """NumPy hands a header to Python's own parser: found by benchmarks/fuzz_readers.py."""
    from otcore._read import read_table

    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|b1', 'fortran_order': False, 'shap".ljust(118) + b"\x01")
    with pytest.raises(otcore.InvalidProblemError, match=r"a\.npy: not a plain .npy array"):
        read_table(path)


def test_npy_files_are_read_without_unpickling(capsys, tmp_path):
    a, b, bad = (tmp_path / name for name in ("a.npy", "b.npy", "bad.npy"))
    np.save(a, np.arange(4, dtype=np.int16))
    np.save(b, np.arange(4, dtype=np.float32) + 1)
    np.save(bad, np.array([{}], dtype=object), allow_pickle=True)
    assert record(capsys, "w1", a, b)["value"] == pytest.approx(1.0, rel=1e-14)
    status, _, err = run(capsys, "w1", a, bad)
    assert status == 2 and str(bad) in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,2\n3,x\n", "line 2, column 2: expected a number, got 'x'"),
        ("1,2\n3\n", "line 2: 1 columns, but 2"),
        ("1,2\n3,\n", "line 2, column 2: expected a number, got an empty field"),
        ("# head\nx,y\n1,nan\n", "line 3, column 2: NaN"),
        ("1\n-inf\n", "row 2, column 1: -inf"),
        ("", "no numbers"),
        ("x,y\nu,v\n", "line 2, column 1: expected a number, got 'u'"),
        ("1,5;2,5\n3;4\n", "line 1, column 1"),
        ("1,2,3\n", "dimension"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(capsys, files, text, says):
    a, bad = files(a=A, bad=text)
    status, out, err = run(capsys, "w1", a, bad)
    assert status == 2 and out == ""
    assert err.count("\n") == 1 and err.startswith("otcore: error: ")
    assert says in err


def test_files_that_are_missing_or_not_text_are_refused(capsys, files, tmp_path):
    (a,) = files(a=A)
    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\r\n\xff\xfe")
    for bad in (tmp_path / "absent.csv", tmp_path, picture):
        status, _, err = run(capsys, "w1", a, bad)
        assert status == 2 and str(bad) in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "sinkhron"],
        ["--metric", "euclid"],
        ["--cost", "absent.csv"],
        ["--weights-column", "3"],
        ["--method", "line"],
    ],
)
def test_a_bad_option_is_refused_with_status_two(capsys, files, options):
    status, out, err = run(capsys, "w1", *files(a=A, b=B.replace(";", ",")), *options)
    assert status == 2 and out == "" and err.count("\n") == 1


def test_bad_usage_ends_with_status_two(capsys):
    for argv in ([], ["w1"], ["w1", "a", "b", "--cost", "m", "--metric", "d"], ["nonsense"]):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 2
        capsys.readouterr()


def test_an_uncertified_answer_is_printed_with_status_one(capsys, tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(300, 3)))
    argv = ("w1", tmp_path / "a.npy", tmp_path / "b.npy", "--method", "sinkhorn", "--rtol", 1e-9, "--max-seconds", 0)
    status, out, err = run(capsys, *argv, "--json")
    got = json.loads(out)
    assert status == 1 and "not certified" in err
    assert got["status"] == "time_limit" and got["lower"] <= got["upper"]


def test_methods_lists_what_the_library_lists(capsys):
    status, out, _ = run(capsys, "methods", "--json")
    assert status == 0
    assert [r["name"] for r in json.loads(out)] == [method.name for method in otcore.methods()]
    status, out, _ = run(capsys, "methods")
    assert status == 0 and all(method.name in out for method in otcore.methods())


def test_progress_goes_to_standard_error_and_leaves_the_json_alone(capsys, files):
    status, out, err = run(capsys, "w1", *files(a=A, b=B), "--json", "--progress")
    assert status == 0 and json.loads(out)["status"] == "certified" and err != ""


def test_warmup_says_how_long_it_took(capsys, monkeypatch):
    monkeypatch.setattr(otcore, "warmup", lambda: 1.25)
    assert main(["warmup"]) == 0
    assert capsys.readouterr().out == "kernels are ready after 1.2 s\n"


def test_the_module_runs_as_a_program(capsys, monkeypatch):
    import runpy
    import sys

    monkeypatch.setattr(sys, "argv", ["otcore", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("otcore", run_name="__main__")
    assert ended.value.code == 0 and otcore.__version__ in capsys.readouterr().out
