"""What must not get slower, wider or heavier from commit to commit: solves, certificates, import.

CPU time on one thread, of warm code; instances are those of ``otcore bench``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")})

from otcore._solve import run
from otcore.bench.instance import Instance

CASES = {
    "line": ("line-weighted", 100_000, "line", 1e-9),
    "plane": ("plane-weighted", 2000, "network-simplex", 1e-9),
    "dense": ("dense", 500, "network-simplex", 1e-9),
    "image": ("grf-moderate", 1024, "network-simplex", 1e-9),
    "sinkhorn": ("plane-order-2", 500, "sinkhorn", 1e-2),
    "dual": ("plane-weighted", 100, "dual", 1e-9),
}


class Solve:
    """One solve with its certificate."""

    params = list(CASES)
    param_names = ("case",)
    timer = time.process_time
    timeout = 300

    def setup(self, case):
        family, n, self.method, self.rtol = CASES[case]
        self.problem = Instance(family, n).problem()
        run(self.problem, self.method, rtol=self.rtol)  # compiles
        self.problem = Instance(family, n).problem()  # what a cost remembers must not help

    def time_solve(self, case):
        run(self.problem, self.method, rtol=self.rtol)

    def peakmem_solve(self, case):
        run(self.problem, self.method, rtol=self.rtol)

    def track_relative_gap(self, case):
        return run(self.problem, self.method, rtol=self.rtol).relative_gap


class Verify:
    """The second opinion on a certificate."""

    timer = time.process_time

    def setup(self):
        self.certificate = run(Instance("plane-weighted", 300).problem()).certificate
        self.certificate.verify()

    def time_verify(self):
        assert self.certificate.verify()


def track_import_seconds():
    """Wall seconds of a fresh process that imports otcore, beyond one that does not; the best of three."""

    def best(code):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
        return min(times)

    return best("import otcore; otcore.methods()") - best("")


track_import_seconds.unit = "s"
