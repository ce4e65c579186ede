"""Contestants take turns: A, B, A, B in one warm process on one thread, answers judged when the clock is stopped."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otcore.bench.contestant import Answer, Contestant, contestants, judge
from otcore.bench.instance import Instance
from otcore.bench.probe import STARTUP, WARM, probe
from otcore.bench.record import Record, append, environment, read
from otcore.errors import InvalidProblemError, MissingDependencyError

__all__ = ["Race", "run"]

UNKNOWN: dict[str, Any] = {"status": "ok", "message": "", "seconds": 0.0}  # of an entrant that no process has tried


@dataclass(frozen=True)
class Race:
    """Who meets whom, and how.

    Attributes
    ----------
    instances : sequence of Instance
        From small to large: who fails to end a size is not asked for larger ones of that family.
    entrants : sequence of str
        Names of :func:`otcore.bench.contestant.contestants`.
    rtols : sequence of float
        Relative gaps to reach.
    rounds : int
        Timed solves of each; fewer where they would take longer than ``limit`` altogether.
    limit : float
        CPU seconds that one contestant may take for one instance; otcore's methods are told so as wall seconds.
    threads : int
    fresh : bool
        Whether each is first run in a process of its own, which measures its memory and ends it at the limit; without
        it, a look is quicker, and code that cannot be interrupted takes as long as it likes.
    """

    instances: Sequence[Instance]
    entrants: Sequence[str]
    rtols: Sequence[float] = (1e-9,)
    rounds: int = 5
    limit: float = 10.0
    threads: int = 1
    fresh: bool = True

    def chosen(self) -> list[Contestant]:
        """The entrants, or an error that names those that are not there."""
        known = contestants()
        missing = [name for name in self.entrants if name not in known]
        if missing:
            raise InvalidProblemError(f"no contestant called {missing[0]!r} is installed; there are {', '.join(known)}")
        return [known[name] for name in self.entrants]


def run(race: Race, out: Path, progress: bool = False) -> list[Record]:
    """Let them race, appending to ``out`` what is not in it yet; all its records are returned.

    Rows of an earlier commit are run again; those of this one are kept, so that a half-finished run resumes.
    """
    from tqdm import tqdm

    entrants, commit = race.chosen(), environment(race.threads)["commit"]
    done = {record.key for record in read(out) if record.environment.get("commit") == commit}
    heats = [(instance, rtol) for instance in race.instances for rtol in race.rtols]
    out_of_race: dict[tuple[str, str, float], int] = {}  # family, contestant, rtol -> the size it did not end
    with tqdm(total=len(heats) * len(entrants), unit=" solve", disable=not progress, smoothing=0.1) as bar:
        for instance, rtol in heats:
            problem = instance.problem()
            bar.set_description(instance.name)
            field = [c for c in entrants if c.accepts(problem) and (instance.name, c.name, rtol) not in done]
            bar.update(len(entrants) - len(field))
            heat = _Heat(instance, rtol, race, problem.shape)
            for record in heat.run(field, out_of_race, bar):
                if record.status == "time limit":
                    out_of_race.setdefault((instance.family, record.contestant, rtol), instance.size)
                append(out, [record])
    return read(out)


class _Heat:
    """All contestants on one instance at one tolerance."""

    def __init__(self, instance: Instance, rtol: float, race: Race, shape: tuple[int, int]) -> None:
        self.instance, self.rtol, self.race, self.shape = instance, rtol, race, shape

    def run(self, field: Sequence[Contestant], out_of_race: dict[Any, int], bar: Any) -> Iterable[Record]:
        runners: dict[str, _Runner] = {}
        for entrant in field:
            stopped = out_of_race.get((self.instance.family, entrant.name, self.rtol))
            if stopped is not None:
                yield self.record(entrant, {"status": "time limit", "message": f"already at size {stopped}"})
                bar.update(1)
                continue
            outcome = UNKNOWN
            if self.race.fresh:
                outcome = probe(self.instance, entrant.name, self.rtol, self.race.limit)
            if outcome["status"] != "ok":
                yield self.record(entrant, outcome)
                bar.update(1)
                continue
            share = max(1, int(self.race.limit / max(outcome["seconds"], 1e-9)))
            runners[entrant.name] = _Runner(entrant, outcome, min(self.race.rounds, share))
        self.take_turns(runners)
        for runner in runners.values():
            yield self.finish(runner)
            bar.update(1)

    def take_turns(self, runners: dict[str, _Runner]) -> None:
        """Round after round; each gets a fresh problem, made before its clock starts."""
        from otcore._kernels._kernel import compiled

        limiter = _thread_limits(self.race.threads)
        with limiter, compiled():
            for runner in runners.values():
                if self.instance.data is None:
                    runner.warm_up(Instance(self.instance.family, WARM), self.rtol, STARTUP)
                runner.warm_up(self.instance, self.rtol, self.race.limit)  # some compile for every shape
            for turn in range(self.race.rounds):
                for runner in runners.values():
                    if turn < runner.rounds and not runner.failure and sum(runner.cpu) <= self.race.limit:
                        runner.time(self.instance, self.rtol, self.race.limit)

    def finish(self, runner: _Runner) -> Record:
        if runner.failure:
            return self.record(runner.entrant, {"status": "failed", "message": runner.failure})
        assert runner.answer is not None
        problem = self.instance.problem()
        start = time.process_time()
        verdict = judge(problem, runner.answer)
        certify = time.process_time() - start
        outcome, proved, value = {"status": "ok", "message": ""}, {}, runner.answer.value
        if verdict is not None:
            outcome["message"] = verdict.note
        if verdict is not None and np.isfinite(verdict.upper - verdict.lower):  # an infinite interval proves nothing
            proved = {"lower": verdict.lower, "upper": verdict.upper, "completed": verdict.completed}
        return self.record(
            runner.entrant,
            outcome,
            memory=round(runner.outcome["memory"], 2) if "memory" in runner.outcome else None,
            wall=[round(t, 7) for t in runner.wall],
            cpu=[round(t, 7) for t in runner.cpu],
            claimed=value if value is not None and np.isfinite(value) else None,
            certify=0.0 if runner.answer.interval is not None else round(certify, 6),
            trace=[[round(t, 6), lo, hi] for t, lo, hi in runner.answer.trace if np.isfinite(hi - lo)],
            report=_plain(runner.answer.report),
            **proved,
        )

    def record(self, entrant: Contestant, outcome: dict[str, Any], **found: Any) -> Record:
        n, m = self.shape
        return Record(
            self.instance.name, self.instance.family, n, m, entrant.name, self.rtol,
            outcome["status"], outcome["message"], environment=environment(self.race.threads), **found,
        )  # fmt: skip


class _Runner:
    """One contestant while it races."""

    def __init__(self, entrant: Contestant, outcome: dict[str, Any], rounds: int) -> None:
        self.entrant, self.outcome, self.rounds = entrant, outcome, rounds
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self.answer: Answer | None = None
        self.failure = ""

    def warm_up(self, instance: Instance, rtol: float, limit: float) -> None:
        """Imports and compilation, off the clock; an instance may be refused here, the timed solve decides."""
        try:
            self.entrant.solve(instance.problem(), rtol, limit)
        except Exception:  # whatever a package raises, it is the timed solve that counts
            return

    def time(self, instance: Instance, rtol: float, limit: float) -> None:
        problem = instance.problem()
        gc.collect()
        gc.disable()
        try:
            wall, cpu = time.perf_counter(), time.process_time()
            self.answer = self.entrant.solve(problem, rtol, limit)
            self.cpu.append(time.process_time() - cpu)
            self.wall.append(time.perf_counter() - wall)
        except Exception as error:  # a package may raise anything: it becomes a row that says so
            self.failure = f"{type(error).__name__}: {error}"[:300]
        finally:
            gc.enable()


def _plain(report: Any) -> dict[str, Any]:
    """Numbers and words of a method's own record."""
    fields = report._asdict() if hasattr(report, "_asdict") else vars(report) if hasattr(report, "__dict__") else {}
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in fields.items()}
    return {k: v for k, v in plain.items() if isinstance(v, int | float | str | None)}


def _thread_limits(threads: int) -> Any:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingDependencyError("benchmarks need threadpoolctl: pip install 'otcore[bench]'") from error
    return threadpool_limits(threads)
