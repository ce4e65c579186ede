"""One solve in a process of its own: its peak memory, and whether it ends within the limit at all.

    python -m otcore.bench.probe '{"family": "plane", "size": 500, "contestant": "otcore:emd", ...}'

Code that cannot be interrupted is ended from outside: the alarm is left to the system, whose default is to end
the process, so that a limit holds inside C as well.  It counts CPU seconds, which a busy machine does not stretch.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from otcore.bench.contestant import contestants
from otcore.bench.instance import Instance

__all__ = ["probe"]

STARTUP = 120.0  # seconds for imports, compilation and the making of the instance, beside the limit
WARM = 64  # points of the instance that compiles what can be compiled beforehand; fewer are solved in a shorter way
REPLY = "otcore-probe "


def probe(instance: Instance, contestant: str, rtol: float, limit: float) -> dict[str, Any]:
    """Run one contestant once in a fresh process.

    Returns
    -------
    dict: status and message; when ok, also seconds and memory (MiB beyond what the process held before).
    """
    task = {
        "family": instance.family, "size": instance.size, "seed": instance.seed,
        "data": None if instance.data is None else str(instance.data),
        "contestant": contestant, "rtol": rtol, "limit": limit,
    }  # fmt: skip
    command = [sys.executable, "-m", "otcore.bench.probe", json.dumps(task)]
    environment = _single_threaded()
    patience = 10 * limit + STARTUP
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience, env=environment)
    except subprocess.TimeoutExpired:  # it waits for something, or the machine is very busy
        return {"status": "failed", "message": f"not ended after {patience:g} s, start and compilation among them"}
    for line in done.stdout.splitlines():
        if line.startswith(REPLY):
            return dict(json.loads(line.removeprefix(REPLY)))
    if done.returncode == -signal.SIGPROF:
        return {"status": "time limit", "message": f"more than {limit:g} s"}
    last = done.stderr.strip().splitlines()[-1:] or [f"the process ended with status {done.returncode}"]
    return {"status": "failed", "message": last[0][:300]}


def _single_threaded() -> dict[str, str]:
    """The environment with every thread pool at one, and the otcore that is running now."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join(p for p in (here, os.environ.get("PYTHONPATH")) if p)
    return {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in names}, "PYTHONPATH": path}


def _main(task: dict[str, Any]) -> dict[str, Any]:
    entrant = contestants()[task["contestant"]]
    data = None if task["data"] is None else Path(task["data"])
    if data is None:
        entrant.solve(Instance(task["family"], WARM).problem(), task["rtol"], STARTUP)
    problem = Instance(task["family"], task["size"], task["seed"], data).problem()
    _reset_peak()
    before = _peak()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, max(1.5 * task["limit"], task["limit"] + 1.0))  # own limits come first
    start = time.perf_counter()
    entrant.solve(problem, task["rtol"], task["limit"])
    seconds = time.perf_counter() - start
    signal.setitimer(signal.ITIMER_PROF, 0)
    return {"status": "ok", "message": "", "seconds": seconds, "memory": max(0.0, _peak() - before)}


def _reset_peak() -> None:
    """Start the high-water mark anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> float:
    """High-water mark of this process's memory, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    from otcore._kernels._kernel import compiled

    with compiled():
        reply = _main(json.loads(sys.argv[1]))
    print(REPLY + json.dumps(reply))
