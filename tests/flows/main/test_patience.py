"""A server that asks to be left alone is left alone, for as long as it says and longer than any request
of ours lives: by every certificate, by a person's hand too. What works goes on working meanwhile."""

import subprocess
import time

from main.ssh_client import ssh
from stage.agent import BIN, wait_for
from stage.bao import Ca
from vault.servers import Front

ASKED_S = 20
BUSY = {"vault": 429, "other": 503}


def signer(bench, name, front):
    made = bench.signer(bench.bao.token(["signer"], ttl="1h"))
    made["vault"].update({"address": front.address, "ca-bundle": str(front.ca_path)})
    return {**made, "name": name}


def identities(bench):
    """Of each signer: one whose certificate has to be renewed soon, and one that waits for its first."""
    return [bench.identity(f"{kind}-{name}", label="web",
                           wants=[bench.want(signer=name, ttl="40s" if kind == "soon" else "5m")],
                           **({} if kind == "soon" else {"renewal": "per-connection"}))
            for name in BUSY for kind in ("soon", "idle")]


def renew(agent, name):
    """holdfast renew, which has to fail at once, and its words."""
    start = time.monotonic()
    done = subprocess.run([BIN / "holdfast", "renew", name], env=agent.env(), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1 and time.monotonic() - start < 5, done.stdout + done.stderr
    return done.stderr


def signers(agent):
    return {s["name"]: s for s in agent.status()["signers"]}


def test_retry_after_is_kept_to(bench, tmp_path, place, sshd):
    ca = Ca(tmp_path / "fronts")
    with Front(ca, bench.bao) as one, Front(ca, bench.bao) as two:
        fronts = dict(zip(BUSY, (one, two)))
        agent = bench.agent(identities(bench), [signer(bench, *item) for item in fronts.items()])
        with bench.with_key(agent):
            watch(agent, fronts, place, sshd)


def works(agent, place, sshd):
    """The certificates of before are shown, and log in."""
    ssh(agent, sshd, place, "true")
    return len(agent.list_blobs()) == len(BUSY)


def watch(agent, fronts, place, sshd):
    soon = {name: agent.wait_active(f"soon-{name}")["serial"] for name in fronts}
    assert all(s["patience_until"] is None for s in signers(agent).values())
    since = {}
    for name, front in fronts.items():
        front.instead = (BUSY[name], {"Retry-After": str(ASKED_S)}, b"")
        before = len(front.requests)
        assert f"asks to be left alone for {ASKED_S}s" in renew(agent, f"soon-{name}")
        since[name] = front.requests[before]["at"]
        assert len(front.requests) == before + 1  # and it is not asked twice to hear the same
        front.instead = None  # whoever comes now comes too early, and would be served
        assert "said when it was asked last" in renew(agent, f"idle-{name}")
        assert len(front.requests) == before + 1
    for name, shown in signers(agent).items():
        assert shown["state"] == "failing" and str(BUSY[name]) in shown["last_error"]["text"]
        assert f"{name} asks to be left alone until {shown['patience_until']}" in \
            agent.holdfast("status").stdout.replace("\n   ", "")
    for name, front in fronts.items():
        first = wait_for(agent.log, lambda: works(agent, place, sshd) and
                         [r for r in front.requests if r["at"] > since[name]], 40, 0.5)[0]
        assert first["at"] - since[name] >= ASKED_S
        wait_for(agent.log, lambda: agent.cert(f"soon-{name}")["serial"] != soon[name])
        shown = signers(agent)[name]
        assert shown["state"] == "ok" and shown["patience_until"] is None
