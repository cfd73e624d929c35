"""The benchmark `sign`: what an SSH agent is for, beside ssh-agent and beside the machine's limit.

Each comparison runs its sides in turn, several times, so that a machine whose speed drifts slows
all of them. The idle connections come last: closing ten thousand keeps ssh-agent busy for a while.
"""

import contextlib
import json
import os
import pathlib

from keys import make_token
from peers import Stage
from table import Row

SPEED = [("", "per_s", "1/s", "higher"), (" p50", "p50_us", "us", "lower"),
         (" p99", "p99_us", "us", "lower")]
LATENCY = SPEED[1:]


class Sign:
    def __init__(self, stage, pace, emit, say):
        self.stage, self.pace, self.emit, self.say = stage, pace, emit, say
        self.ours, self.peer = stage.ours, stage.peer

    def run(self):
        self.memory("memory at start")
        self.sign()
        self.list()
        self.list_under_load()
        self.login()
        self.memory("memory after load")
        self.idle()

    def compare(self, name, fields, ours, peer, limit=None, runs=None):
        """Rows out of calls that measure once each."""
        self.say(name)
        calls = {"ours": ours, "peer": peer, "limit": limit}
        got = {side: [] for side in calls}
        for _ in range(runs or self.pace.runs):
            for side, call in calls.items():
                if call:
                    got[side].append(call())
        for suffix, field, unit, better in fields:
            values = ([g[field] for g in got[side] if field in g] for side in calls)
            self.emit(Row(name + suffix, unit, better, *values))

    def loads(self, mode, key=None, connections=1):
        """The same load on both agents; a list also on the one that does nothing."""
        def load(server):
            return lambda: server.load(mode, key, connections, self.pace.seconds, self.pace.warm)
        servers = [self.ours, self.peer] + ([self.stage.null] if mode == "list" else [])
        return [load(server) for server in servers]

    def sign(self):
        cores = os.cpu_count()
        for key, name in (("p256", "P-256"), ("rsa2048", "RSA-2048")):
            for connections in (1, 8, 64):
                def limit(threads=1 if connections == 1 else cores):
                    got = self.stage.module.sign(key, threads, self.pace.seconds)
                    # Above one connection its threads do not wait for each other, clients do.
                    return got if threads == 1 else {"per_s": got["per_s"]}
                self.compare(f"sign {name} c={connections}", SPEED,
                             *self.loads("sign", key, connections=connections), limit)

    def list(self):
        for connections in (1, 8):
            self.compare(f"list c={connections}", SPEED,
                         *self.loads("list", connections=connections))

    def list_under_load(self):
        def probe(server):
            with server.start_load("sign", "rsa3072", connections=8) as signers:
                try:
                    return server.load("probe", seconds=self.pace.seconds, warm=0.3, pause_us=1000)
                finally:
                    signers.terminate()
        self.compare("list, 8 sign RSA-3072", LATENCY, lambda: probe(self.ours),
                     lambda: probe(self.peer))

    def login(self):
        for connections in (1, 8):
            self.compare(f"login P-256 c={connections}", SPEED,
                         *self.loads("login", "p256", connections=connections))

    def memory(self, name):
        self.compare(name, [(" RSS", "rss", "kB", "lower"), (" PSS", "pss", "kB", "lower")],
                     self.ours.memory, self.peer.memory, runs=1)

    def idle(self):
        count = f"{self.pace.idle} idle"
        with contextlib.ExitStack() as held:
            def open_on(server):
                def call():
                    holder = held.enter_context(server.start_load(
                        "idle", connections=self.pace.idle))  # until its standard input is closed
                    return json.loads(holder.stdout.readline())
                return call
            self.compare(f"{count}: open all", [("", "seconds", "s", "lower")],
                         open_on(self.ours), open_on(self.peer), open_on(self.stage.null), runs=1)
            self.compare(f"{count}: list", SPEED, *self.loads("list"))
            self.compare(f"{count}: sign P-256", SPEED[:1], *self.loads("sign", "p256"),
                         lambda: self.stage.module.sign("p256", 1, self.pace.seconds))
            self.memory(f"{count}: memory")


def run(folder, pace, emit, say):
    token = make_token(pathlib.Path(folder) / "token")
    with Stage(folder, token) as stage:
        say(f"{stage.ours.version()} and {stage.peer.version()}")
        Sign(stage, pace, emit, say).run()
