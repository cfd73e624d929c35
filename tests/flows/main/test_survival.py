"""Killed helpers, killed agents, a killed leader, a full disk: what works goes on working, what was
there is there afterwards, and each says in words what happened."""

import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from main.conftest import MOUNT, ROLE
from main.ssh_client import ssh
from stage.agent import Agent, wait_for
from stage.bao import BaoCluster, write_private
from stage.sshd import me
from stage.token import SoftToken

IDENTITIES, KEYS = 50, 5


def valid(agent):
    """Names of the identities that have a certificate which is valid now."""
    return {i["name"] for i in agent.status()["identities"]
            for c in i["certificates"] if c["line"] and c["seconds_left"] > 0}


def serials(agent):
    return {i["name"]: i["certificates"][0]["serial"] for i in agent.status()["identities"]}


@pytest.fixture(scope="module")
def cluster():
    with BaoCluster() as cluster:
        leader = cluster.leader()
        leader.enable_ssh(MOUNT, ROLE, allowed_users=me(), ttl="30m",
                          allowed_extensions="permit-pty")
        leader.allow_sign("signer", f"{MOUNT}/{ROLE}")
        yield cluster


def test_the_leader_dies_while_50_identities_renew(cluster, tmp_path):
    token = SoftToken(tmp_path / "token")
    first, *others = cluster.nodes
    file = write_private(tmp_path / "vault-token", cluster.leader().token(["signer"], ttl="1h"))
    signer = {"name": "vault", "vault": {
        "address": first.address, "addresses": [node.address for node in others],
        "ca-bundle": str(cluster.ca_path), "login": {"method": "token", "token-file": str(file)}}}
    want = {"signer": "vault", "mount": MOUNT, "role": ROLE, "principals": [me()], "ttl": "90s"}
    names = [f"i{n}" for n in range(IDENTITIES)]
    agent = Agent(tmp_path / "a", token, [signer], [
        {"name": name, "key": f"{token.uri};object=k{n % KEYS}", "certificates": [want]}
        for n, name in enumerate(names)])
    for n in range(KEYS):
        agent.holdfast("key", "generate", "--label", f"k{n}")
    with agent:
        wait_for(agent.log, lambda: valid(agent) == set(names), 60)
        before = serials(agent)
        renewing = [subprocess.Popen([*_holdfast(), "renew", name], env=agent.env(),
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for name in names]
        killed = cluster.kill_leader()
        assert valid(agent) == set(names), killed
        for process in renewing:
            process.wait(120)
        assert valid(agent) == set(names)
        wait_for(lambda: f"{serials(agent)}\n{agent.log()}",
                 lambda: all(serials(agent)[name] != before[name] for name in names), 120, 0.5)
        assert valid(agent) == set(names)
        agent.kill()
        agent.start()
        assert valid(agent) == set(names)  # and it is there at once


def _holdfast():
    return [str(pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin/holdfast")]


@pytest.mark.parametrize("seed", range(3))
def test_holdfast_vault_dies_at_any_moment(bench, place, sshd, seed):
    dice = random.Random(seed)
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
        assert "restarted" not in agent.holdfast("status").stdout
        killed = 0
        for _ in range(4):
            renewing = subprocess.Popen([*_holdfast(), "renew", "web"], env=agent.env(),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            time.sleep(dice.random() * 0.3)
            for pid in agent.helpers("holdfast-vault"):
                os.kill(pid, signal.SIGKILL)
                killed += 1
            _, said = renewing.communicate(timeout=90)
            assert renewing.returncode == 0 or "holdfast-vault" in said, said
            assert valid(agent) == {"web"}
            ssh(agent, sshd, place, "true")
        before = agent.cert("web")["serial"]
        agent.holdfast("renew", "web")
        assert agent.cert("web")["serial"] != before
        helper = agent.status()["vault_helper"]
        assert killed > 0 and helper["restarts"] == killed and helper["running"]
        times = "once" if killed == 1 else f"{killed} times"
        assert f"holdfast-vault was restarted {times} and runs since {helper['since']}: helper " \
            "holdfast-vault died: killed by signal 9" in agent.holdfast("status").stdout


@pytest.mark.parametrize("seed", range(3))
def test_the_agent_dies_at_any_moment(bench, place, sshd, bao, seed):
    dice = random.Random(100 + seed)
    agent = bench.with_key(bench.agent())
    agent.start()
    agent.wait_active("web")
    agent.wait_cached("web")
    for _ in range(3):
        renewing = subprocess.Popen([*_holdfast(), "renew", "web"], env=agent.env(),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random() * 0.3)
        agent.kill()
        renewing.wait(60)
        agent.start()
        assert valid(agent) == {"web"}, agent.log()
    agent.wait_token("ready")
    ssh(agent, sshd, place, "true")
    agent.holdfast("renew", "web")
    assert agent.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of one's own takes root")
def test_a_full_disk_costs_no_certificate(bench, place, sshd):
    agent = bench.with_key(bench.agent())
    agent.state.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", agent.state], check=True)
    try:
        with agent:
            agent.wait_active("web")
            filler = agent.state / "filler"
            with open(filler, "wb", buffering=0) as f, pytest.raises(OSError):
                while True:
                    f.write(bytes(512))
            agent.holdfast("renew", "web")
            renewed = agent.cert("web")["serial"]
            wait_for(lambda: f"{agent.status()['warnings']}\n{agent.log()}",
                     lambda: any("No space left" in w for w in agent.status()["warnings"]), 20)
            ssh(agent, sshd, place, "true")
            assert valid(agent) == {"web"}
            filler.unlink()
            agent.holdfast("renew", "web")
            latest = agent.cert("web")["serial"]
            assert latest != renewed
            wait_for(agent.log, lambda: not any("No space left" in w
                                                for w in agent.status()["warnings"]), 20)
            assert "chain holds" in agent.holdfast("audit", "--verify").stdout
        with agent:
            assert agent.wait_active("web")["serial"] == latest
    finally:
        subprocess.run(["umount", "-l", agent.state], check=True)
