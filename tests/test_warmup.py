"""The first minute: what is compiled is said once, and all of it can be compiled ahead."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import SimpleNamespace

from otcore._kernels import _notice

# Signatures of every kernel that is loaded; then ordinary questions; then those that came new.
CODE = """
import numpy as np, otcore, sys
def known():
    return {(f"{m}.{k}", s) for m, home in list(sys.modules.items()) if m.startswith("otcore._kernels")
            for k, v in vars(home).items() if hasattr(v, "py_func") for s in v.signatures}
otcore.warmup()
before = known()
rng = np.random.default_rng(1)
for n, m in ((90, 70), (310, 280)):
    x, y, M = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)), rng.random((n, m))
    otcore.w1(np.full(n, 1 / n), np.full(m, 1 / m), M)
    otcore.wasserstein(x, y)
    otcore.wasserstein(x[:, 0], y[:, 0])
    otcore.wasserstein(x[:, 0], y[:, 0], order=2)
print(len(before), sorted(known() - before))
"""


def test_after_a_warmup_ordinary_questions_compile_nothing():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    count, new = done.stdout.strip().split(" ", 1)
    assert int(count) > 10
    assert new == "[]"


def event(module):
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


def test_compiling_for_more_than_a_second_is_said_once(monkeypatch, caplog):
    clock = [0.0]
    monkeypatch.setattr(_notice.time, "perf_counter", lambda: clock[0])
    notice = _notice.Notice()
    with caplog.at_level(logging.WARNING, "otcore"):
        for module in ("scipy.other", "otcore._kernels.line", "otcore._kernels.sums"):
            notice.on_start(event(module))
            clock[0] += 0.7
            notice.on_end(event(module))
            assert len(caplog.records) == (module == "otcore._kernels.sums")
        for _ in range(5):
            notice.on_start(event("otcore._kernels.sums"))
            clock[0] += 9.0
            notice.on_end(event("otcore._kernels.sums"))
    assert [record.name for record in caplog.records] == ["otcore"]
    assert "warmup" in caplog.text
