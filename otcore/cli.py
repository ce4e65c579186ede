"""The command line: ``otcore demo | w1 | wasserstein | methods | verify | bench | warmup``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otcore.bench.command import add_arguments as add_bench_arguments
from otcore.errors import InvalidProblemError, OTError, ShapeError

if TYPE_CHECKING:
    from otcore.solution import Solution

__all__ = ["main"]

NOT_CERTIFIED, BAD_INPUT = 1, 2  # exit statuses beside 0
METRICS = ("euclidean", "cityblock", "chebyshev")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int: 0 when certified, 1 when the gap asked for was not reached, 2 when the input was refused.
    """
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # `otcore ... | head`: the reader has had enough
        return 0
    except (OTError, OSError) as error:
        print(f"otcore: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    from otcore import __version__

    parser = argparse.ArgumentParser(
        prog="otcore",
        description="Optimal transport whose every answer is an interval that provably contains the truth.",
    )
    parser.add_argument("--version", action="version", version=f"otcore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="a lecture problem and real data, every method, one picture")
    demo.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the picture goes (default: here)")
    demo.set_defaults(run=_demo)

    for name, summary in (("w1", "W_1 between two files"), ("wasserstein", "W_p between two files")):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary}: samples, one a row (CSV or .npy); with a matrix as --cost or --metric, weights.",
        )
        _add_problem_arguments(command)
        if name == "wasserstein":
            command.add_argument("--order", type=float, default=1.0, metavar="P", help="the p of W_p (default: 1)")
        command.set_defaults(run=_distance, order=1.0)

    methods = commands.add_parser("methods", help="what --method takes, and what each needs")
    methods.add_argument("--json", action="store_true", help="machine-readable output")
    methods.set_defaults(run=_methods)

    verify = commands.add_parser(
        "verify",
        help="check a file written by Certificate.to_json",
        description="Exit status 0: the interval follows from the file; 1: it does not; 2: no certificate file.",
    )
    verify.add_argument("file", metavar="FILE")
    verify.set_defaults(run=_verify)
    warmup = commands.add_parser("warmup", help="compile the kernels now, once for this machine")
    warmup.set_defaults(run=_warmup)
    bench = commands.add_parser("bench", help="methods and other packages in turn, every answer certified")
    add_bench_arguments(bench)
    return parser


def _add_problem_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("a", metavar="A", help="file of the first measure")
    command.add_argument("b", metavar="B", help="file of the second measure")
    command.add_argument("--weights-column", type=int, metavar="K", help="column of the weights, counted from 1")
    ground = command.add_mutually_exclusive_group()
    ground.add_argument("--metric", metavar="D", help=f"{', '.join(METRICS)}, or a file: distances on one support")
    ground.add_argument("--cost", metavar="M", help="sqeuclidean, or a file: the cost matrix, one row of A a line")
    command.add_argument("--method", default="auto", help="see `otcore methods` (default: auto)")
    command.add_argument("--rtol", type=float, help="relative gap to reach (default: the method's own)")
    command.add_argument("--max-seconds", type=float, metavar="S", help="stop then, with the interval reached")
    command.add_argument("--json", action="store_true", help="machine-readable output")
    command.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="default: when standard error is a terminal",
    )


# -- otcore w1, otcore wasserstein -----------------------------------------------------------------------


def _distance(arguments: argparse.Namespace) -> int:
    from otcore import solve
    from otcore.solution import Status

    ground, from_file = _ground(arguments)
    read = _weights if from_file else _samples
    p, q = (read(path, arguments.weights_column) for path in (arguments.a, arguments.b))

    started = time.perf_counter()
    solution = solve(
        p,
        q,
        method=arguments.method,
        order=arguments.order,
        rtol=arguments.rtol,
        max_seconds=arguments.max_seconds,
        progress=sys.stderr.isatty() if arguments.progress is None else arguments.progress,
        **ground,
    )
    seconds = time.perf_counter() - started
    print(json.dumps(_record(solution, seconds), allow_nan=False) if arguments.json else _sentence(solution, seconds))
    if solution.status is Status.CERTIFIED:
        return 0
    print(f"otcore: not certified: {solution.status.value}", file=sys.stderr)
    return NOT_CERTIFIED


def _ground(arguments: argparse.Namespace) -> tuple[dict[str, Any], bool]:
    """The ground cost as a keyword of `solve`, and whether it is a matrix from a file."""
    for keyword, text, names in (("metric", arguments.metric, METRICS), ("cost", arguments.cost, ("sqeuclidean",))):
        if text in names:
            return {keyword: text}, False
        if text is not None:
            from otcore._read import read_table

            if not Path(text).exists():
                raise InvalidProblemError(f"--{keyword} {text}: no such file, and not one of {', '.join(names)}")
            return {keyword: read_table(text, allow_inf=True)}, True
    return {}, False


def _samples(path: str, weights_column: int | None) -> Any:
    """Points with the weights of one column; without one, the rows are samples of equal weight."""
    from otcore import Measure
    from otcore._read import read_table

    table = read_table(path)
    if weights_column is None:
        return Measure.from_samples(table)
    columns = table.shape[1]
    if not 1 <= weights_column <= columns or columns == 1:
        raise ShapeError(
            f"{path}: --weights-column {weights_column} of a file with {columns} column(s); "
            "columns count from 1, and at least one other must hold the coordinates"
        )
    kept = [k for k in range(columns) if k != weights_column - 1]
    return Measure(table[:, kept], table[:, weights_column - 1])


def _weights(path: str, weights_column: int | None) -> Any:
    """The weights of one side when the costs come as a matrix: one column, or one row."""
    from otcore._read import read_table

    table = read_table(path)
    if weights_column is not None:
        if not 1 <= weights_column <= table.shape[1]:
            raise ShapeError(f"{path}: --weights-column {weights_column} of a file with {table.shape[1]} column(s)")
        return table[:, weights_column - 1]
    if 1 not in table.shape:
        raise ShapeError(
            f"{path}: with a cost or distance matrix the files are weights, one number a line; "
            f"this one has shape {table.shape}; name the column with --weights-column"
        )
    return table.ravel()


def _record(solution: Solution, seconds: float) -> dict[str, Any]:
    names = ("value", "lower", "upper", "gap", "relative_gap", "distance", "distance_lower", "distance_upper")
    record: dict[str, Any] = {name: float(getattr(solution, name)) for name in names}
    return record | {
        "order": float(solution.problem.cost.order),
        "method": solution.method,
        "status": solution.status.name.lower(),
        "rtol": solution.rtol,
        "atol": solution.atol,
        "seconds": round(seconds, 6),
    }


def _sentence(solution: Solution, seconds: float) -> str:
    order = solution.problem.cost.order
    lines = [f"value    {solution.value:.12g}   in [{solution.lower:.17g}, {solution.upper:.17g}]"]
    if order != 1:
        interval = f"[{solution.distance_lower:.17g}, {solution.distance_upper:.17g}]"
        lines.append(f"W_{order:<6g} {solution.distance:.12g}   in {interval}")
    lines.append(f"method   {solution.method}, relative gap {solution.relative_gap:.1e}, {seconds:.2g} s")
    return "\n".join(lines)


# -- otcore methods, otcore verify, otcore demo ----------------------------------------------------------


def _methods(arguments: argparse.Namespace) -> int:
    from otcore import methods

    records: list[dict[str, Any]] = [
        {
            "name": method.name,
            "summary": method.summary,
            "needs": sorted(method.needs),
            "requires": list(method.requires),
            "rtol": method.rtol,
            "available": bool(method.available),
        }
        for method in methods()
    ]
    if arguments.json:
        print(json.dumps(records))
        return 0
    from otcore._table import table

    rows = [
        (
            record["name"] if record["available"] else f"{record['name']} (missing: {', '.join(record['requires'])})",
            "-" if record["rtol"] is None else f"{record['rtol']:.0e}",
            ", ".join(record["needs"]) or "any cost",
            record["summary"].replace("``", ""),
        )
        for record in records
    ]
    print(table(("method", "rtol", "needs", "what it does"), rows))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from otcore.certify import check

    return check.main([arguments.file])


def _warmup(arguments: argparse.Namespace) -> int:
    from otcore import warmup

    print(f"kernels are ready after {warmup():.1f} s")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from otcore.demo import run

    return run(arguments.out)
