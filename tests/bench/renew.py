"""The benchmark `renew`: 1,000 identities with certificates of 60 s, one OpenBao, one agent.

The identities share four P-256 keys of one SoftHSM token: what is measured is renewal, which never asks
a token. First bursts (`holdfast renew --all`) beside curl, which asks the same of the same server over
as many kept connections: with a processor for the server alone, as a server across the network has, and
with all on all processors, where whatever a client computes slows its server down. Then the clock alone
for minutes, while every certificate has to be valid.
"""

import contextlib
import json
import os
import pathlib
import resource
import subprocess
import time

from peers import family, memory
from stage.agent import Agent, wait_for
from stage.bao import Bao, write_private
from stage.token import SoftToken
from table import Row

IDENTITIES, KEYS, TTL_S, CONNECTIONS = 1000, 4, 60, 4
MOUNT, ROLE, USER = "ssh", "web", "deploy"
LOOK_S, SETTLE_S, GOAL = 10, 1, 0.9
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """Seconds of processor time of a process and its children, so far."""
    total = 0
    for member in family(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def children_s():
    """Likewise, of this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def place(pid, processors):
    """Have a process and its children run there, with all their threads; children to come do too."""
    for member in family(pid):
        for thread in os.listdir(f"/proc/{member}/task"):
            os.sched_setaffinity(int(thread), processors)


@contextlib.contextmanager
def apart(server, client):
    """The server on the last processor; the client and this process, with curl, on the others."""
    every = os.sched_getaffinity(0)
    last = {max(every)}
    place(server, last)
    place(client, every - last)
    os.sched_setaffinity(0, every - last)
    yield
    place(server, every)
    place(client, every)
    os.sched_setaffinity(0, every)


class Renew:
    def __init__(self, folder, bao, agent, pace, emit, say):
        self.folder, self.bao, self.agent = folder, bao, agent
        self.pace, self.emit, self.say = pace, emit, say

    def certs(self):
        return {i["name"]: i["certificates"][0] for i in self.agent.status()["identities"]}

    def all_valid(self):
        return all(c["seconds_left"] and c["seconds_left"] > 0 for c in self.certs().values())

    def run(self, key_line, token):
        wait_for("all certificates", self.all_valid, 120, 0.5)
        if len(os.sched_getaffinity(0)) > 1:
            with apart(self.bao.pid, self.agent.pid):
                self.bursts("signing, server apart", key_line, token)
        self.bursts("signing, all on all", key_line, token)
        self.steady(180 if self.pace.runs > 3 else 90)

    def bursts(self, name, key_line, token):
        """In turn, each when the disk has what the one before left to write."""
        ours, peer = [], []
        for _ in range(self.pace.runs):
            ours.append(self.burst())
            peer.append(self.curl(key_line, token))
        row = Row(name, "1/s", "higher", *([rate for rate, _ in side] for side in (ours, peer)), [])
        self.emit(row)
        self.emit(Row("- processor per request", "ms", "lower",
                      *([1000 * cpu / IDENTITIES for _, cpu in side] for side in (ours, peer)), []))
        self.say(f"{name}: {row.ratio('peer'):.2f} x curl over {CONNECTIONS} connections; {GOAL} x "
                 f"{'holds' if row.ratio('peer') >= GOAL else 'does not hold'}")

    def burst(self):
        """Renewals a second, and the processor time of all of them, with what is written afterwards."""
        cpu, begun = cpu_s(self.agent.pid), time.perf_counter()
        done = json.loads(self.agent.holdfast("renew", "--all", "--json").stdout)
        took = time.perf_counter() - begun
        if done["renewed"] != IDENTITIES:
            raise RuntimeError(f"{done}\n{self.agent.log()[-2000:]}")
        time.sleep(SETTLE_S)
        return IDENTITIES / took, cpu_s(self.agent.pid) - cpu

    def curl(self, key_line, token):
        """As many requests by one process of curl, at most so many at once; the most connections it may
        open is checked: it has to keep them."""
        body = json.dumps({"public_key": key_line, "valid_principals": USER, "ttl": f"{TTL_S}s",
                           "cert_type": "user"}).replace('"', '\\"')
        each = [f'url = "{self.bao.address}/v1/{MOUNT}/sign/{ROLE}"', 'output = "/dev/null"']
        config = write_private(self.folder / "curl", "\n".join([
            f'cacert = "{self.bao.ca_path}"', f'header = "X-Vault-Token: {token}"', f'data = "{body}"',
            "http1.1", "silent", "fail", "parallel", f"parallel-max = {CONNECTIONS}",
            'write-out = "%{num_connects} %{http_code}\\n"', *(each * IDENTITIES)]))
        cpu, begun = children_s(), time.perf_counter()
        done = subprocess.run(["curl", "-K", config], check=True, capture_output=True, text=True)
        took = time.perf_counter() - begun
        lines = [line.split() for line in done.stdout.splitlines()]
        opened = sum(int(connects) for connects, _ in lines)
        if [code for _, code in lines] != ["200"] * IDENTITIES or opened > 2 * CONNECTIONS:
            raise RuntimeError(f"curl: {len(lines)} answers over {opened} connections")
        return IDENTITIES / took, children_s() - cpu

    def steady(self, seconds):
        """The clock alone. Each certificate is valid at each look, and was renewed before it ended."""
        self.say(f"{seconds} s by the clock")
        before, cpu, begun = self.certs(), cpu_s(self.agent.pid), time.monotonic()
        renewed, late, looks, load = 0, 0, 0, []
        while time.monotonic() < begun + seconds:
            time.sleep(LOOK_S)
            now = self.certs()
            looks += 1
            late += sum(not c["seconds_left"] or c["seconds_left"] <= 0 for c in now.values())
            renewed += sum(c["serial"] != before[name]["serial"] for name, c in now.items())
            before = now
            load.append(memory(self.agent.pid))
        took = time.monotonic() - begun
        self.emit(Row("certificates not valid", "", "lower", [late], [], []))
        self.emit(Row("renewals by the clock", "1/s", "higher", [renewed / took], [], []))
        self.emit(Row("processor", "%", "lower", [100 * (cpu_s(self.agent.pid) - cpu) / took], [], []))
        for field in ("rss", "pss"):
            self.emit(Row(f"memory {field.upper()}", "kB", "lower", [m[field] for m in load], [], []))
        self.say(f"{late} of {looks * IDENTITIES} looks found no valid certificate; "
                 f"{renewed / took:.1f} renewals a second")
        for line in [x for x in self.agent.log().splitlines() if "no valid certificate for" in x]:
            self.say(line)


def run(folder, pace, emit, say):
    folder = pathlib.Path(folder)
    with contextlib.ExitStack() as stack:
        bao = stack.enter_context(Bao(folder / "bao"))
        bao.enable_ssh(MOUNT, ROLE, allowed_users=USER, ttl="5m", max_ttl="1h")
        bao.allow_sign("signer", f"{MOUNT}/{ROLE}")
        vault_token = bao.token(["signer"], ttl="2h")
        file = write_private(folder / "vault-token", vault_token)
        token = SoftToken(folder / "token", "bench")
        signer = {"name": "vault", "vault": {
            "address": bao.address, "ca-bundle": str(bao.ca_path),
            "login": {"method": "token", "token-file": str(file)}}}
        want = {"signer": "vault", "mount": MOUNT, "role": ROLE, "principals": [USER],
                "ttl": f"{TTL_S}s"}
        identities = [{"name": f"id{n}", "key": f"{token.uri};object=key{n % KEYS}",
                       "certificates": [want]} for n in range(IDENTITIES)]
        agent = Agent(folder / "a", token, [signer], identities)
        agent.settings["registry"] = {"enabled": False}
        agent.settings["identities"] = []
        agent.write_config()
        for n in range(KEYS):
            agent.holdfast("key", "generate", "--label", f"key{n}")
        key_line = " ".join(agent.holdfast("key", "public", "key0").stdout.split()[:2])
        agent.settings["identities"] = identities
        agent.config.write_text(json.dumps(agent.settings, separators=(",", ":")))
        stack.enter_context(agent)
        Renew(folder, bao, agent, pace, emit, say).run(key_line, vault_token)
