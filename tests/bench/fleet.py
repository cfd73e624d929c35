"""The benchmark `fleet`: a day of 100,000 agents on the real schedule, calm and with an outage.

`ours` is the most requests a second over the mean, `limit` what as many requests at random seconds come
to. A second that expects few requests has a peak of chance, so a peak is of the shortest span with two
hundred requests in the mean; "one second" is beside it. Certificates that end in the outage itself are
nobody's fault; one that outlived it and then ended without a successor is lost.
"""

import json
import subprocess

from peers import TOOLS
from table import Row

AGENTS, OUTAGE_S = 100_000, 1800
LIFETIMES = {"10m": 600, "1h": 3600, "4h": 4 * 3600, "24h": 86400}
CALM_MAX, AFTER_MAX = 1.5, 3.0


def simulate(lifetime_s, outage_s, seed):
    done = subprocess.run([TOOLS / "bench_fleet", str(AGENTS), str(lifetime_s), str(outage_s),
                           str(seed)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def holds(peaks, most):
    return "holds" if max(peaks) <= most else "does not hold"


def rows(name, lifetime_s, outage_s, seeds, say):
    got = [simulate(lifetime_s, outage_s, seed) for seed in seeds]
    most = CALM_MAX if outage_s == 0 else AFTER_MAX
    mean, what = got[0]["mean"], "calm" if outage_s == 0 else "after 30m out"
    peaks = [g["peak"] / mean for g in got]
    yield Row(f"{name} {what}, peak", "x", "lower", peaks, [], [g["chance"] / mean for g in got])
    yield Row(f"{name} {what}, one second", "x", "lower", [g["peak_second"] / mean for g in got], [],
              [g["chance_second"] / mean for g in got])
    yield Row(f"{name} {what}, lost", "", "lower", [g["lost"] for g in got], [], [])
    seconds, chance = ([g[field] / mean for g in got] for field in ("peak_second", "chance_second"))
    say(f"{name}, {what}: {mean:.1f} requests a second in the mean, at most {max(peaks):.2f} x that "
        f"over {got[0]['span_s']} s; {most} x {holds(peaks, most)}. In one second {max(seconds):.2f} x: "
        f"{most} x {holds(seconds, most)}; as many at random seconds come to {max(chance):.2f} x. "
        f"{max(g['expired'] for g in got)} ended, {max(g['lost'] for g in got)} of them lost")


def run(_folder, pace, emit, say):
    for name, lifetime_s in LIFETIMES.items():
        for outage_s in (0, OUTAGE_S):
            for row in rows(name, lifetime_s, outage_s, range(1, pace.runs + 1), say):
                emit(row)
