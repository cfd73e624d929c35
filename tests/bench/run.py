#!/usr/bin/env python3
"""Benchmarks of Holdfast beside its peers and beside what the machine can do (./dev bench).

    run.py [sign] [registry] [renew] [fleet] [--json] [--quick]

Text is a table with min/median/max of several short runs; --json prints one object a line. All
columns of a row are from the same run, interleaved, on this machine: compare within a row, not
across runs. `sign`: the peer is ssh-agent; the limit is the bare module for signatures and an agent
that does nothing for lists. `registry`: the peer is the program sqlite3, the limit SQLite in process.
`renew`: the peer is curl. `fleet`: a simulation; the limit is chance.
Nothing here passes or fails: a figure is for people to look at.
"""

import argparse
import dataclasses
import pathlib
import resource
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "flows")]

import fleet  # noqa: E402
import registry  # noqa: E402
import renew  # noqa: E402
import sign  # noqa: E402
from peers import TOOLS  # noqa: E402
from table import header  # noqa: E402

BENCHMARKS = {"sign": (sign.run, "ssh-agent"), "registry": (registry.run, "sqlite3"),
              "renew": (renew.run, "curl"), "fleet": (fleet.run, "-")}


@dataclasses.dataclass
class Pace:
    """How long things take."""
    runs: int
    seconds: float
    warm: float
    idle: int  # connections


FULL, QUICK = Pace(5, 0.7, 0.2, 10000), Pace(3, 0.2, 0.1, 2000)
SPARE_DESCRIPTORS = 200


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def raise_descriptors(pace):
    """For everybody that is started here; fewer idle connections where the machine does not allow
    as many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < pace.idle + SPARE_DESCRIPTORS:
        pace.idle = (hard - SPARE_DESCRIPTORS) // 100 * 100
        say(f"only {hard} descriptors: {pace.idle} idle connections")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"{', '.join(BENCHMARKS)}; all when none is named")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="under a minute, less exact")
    options = parser.parse_args()
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name}; there is {', '.join(BENCHMARKS)}")
    if not (TOOLS / "bench_load").exists():
        sys.exit(f"{TOOLS} has no tools: benchmarks need the release build (./dev bench)")
    pace = QUICK if options.quick else FULL
    raise_descriptors(pace)
    for name in options.names or BENCHMARKS:
        run, peer = BENCHMARKS[name]
        rows = []

        def emit(row, rows=rows):
            rows.append(row)
            if options.json:
                print(row.json(), flush=True)

        with tempfile.TemporaryDirectory(prefix="hf-") as folder:
            run(folder, pace, emit, say)
        if not options.json:
            print(header(peer))
            print("\n".join(row.text() for row in rows), flush=True)


main()
