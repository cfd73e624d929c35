"""When certificates are renewed, who stands by, and what a signer in trouble has to bear."""

import json
import time

import pytest

from main.conftest import MOUNT, ROLE
from stage.agent import wait_for
from stage.bao import Ca
from stage.sshd import me
from vault.servers import FakeVault

SIGN = f"/v1/{MOUNT}/sign/{ROLE}"


def warnings(agent):
    return "\n".join(agent.status()["warnings"])


@pytest.fixture
def paused(bao):
    """A function that stops the server; it goes on after the test."""
    yield bao.pause
    bao.resume()


# --- when used ---

def sleeper(bench, **fields):
    identity = bench.identity(renewal="when-used", **fields)
    return bench.with_key(bench.agent([identity]))


def test_a_list_wakes_an_identity_and_gets_its_certificate(bench):
    with sleeper(bench) as agent:
        agent.wait_token("ready")
        assert agent.identity("web")["renewal"] == "when-used"
        assert agent.cert("web")["state"] == "wanted" and agent.cert("web")["renew_at"] is None
        assert len(agent.list_blobs()) == 1  # the first list has it
        assert agent.cert("web")["state"] == "active"


def test_it_sleeps_when_it_is_not_used(bench):
    with sleeper(bench, idle="1s", wants=[bench.want(ttl="6s")]) as agent:
        agent.wait_token("ready")
        assert len(agent.list_blobs()) == 1
        serial = agent.cert("web")["serial"]
        wait_for(agent.log, lambda: agent.cert("web")["state"] == "expired", 20)
        assert agent.cert("web")["serial"] == serial  # nobody asked for another
        assert len(agent.list_blobs()) == 1
        assert agent.cert("web")["serial"] != serial


def test_a_list_waits_no_longer_than_it_may(bench, paused):
    with sleeper(bench, wait="1s") as agent:
        agent.wait_token("ready")
        paused()
        begun = time.monotonic()
        assert agent.list_blobs() == []
        took = time.monotonic() - begun
        assert 0.9 < took < 3, took


# --- per connection ---

def test_each_connection_gets_a_certificate(bench, sshd):
    agent = bench.with_key(bench.agent([bench.identity(renewal="per-connection")]))
    serials = []
    with agent:
        agent.wait_token("ready")
        assert agent.list_blobs() == [] and agent.cert("web")["state"] == "wanted"
        for _ in range(2):
            agent.holdfast("connect", "--identity", "web", f"{sshd.user}@{sshd.address}:{sshd.port}")
            serials.append(agent.cert("web")["serial"])
        assert len(set(serials)) == 2


# --- a second signer ---

def with_standby(bench, **fields):
    """An agent whose own CA stands by for Vault."""
    ca = {"name": "lab", "ca": {"key": f"{bench.token.uri};object=ca", "roles": [
        {"name": "ops", "principals": [me()], "ttl": "30m", "extensions": ["permit-pty"]}]}}
    want = bench.want(**fields.pop("want", {}),
                      standby={"signer": "lab", "role": "ops", **fields})
    agent = bench.agent([bench.identity(wants=[want])], signers=[bench.signer(timeout="2s"), ca])
    bench.with_key(agent, "ca")
    return bench.with_key(agent)


def test_the_standby_signs_when_told_to(bench, bao, paused):
    with with_standby(bench) as agent:
        first = agent.wait_active("web")
        assert first["standby"] == "lab" and not first["of_standby"]
        paused()
        agent.holdfast("renew", "web", "--standby")
        cert = agent.cert("web")
        assert cert["of_standby"] and cert["ca"] != first["ca"]
        assert "lab (standby)" in agent.holdfast("status").stdout
        assert len(agent.list_blobs()) == 1
        bao.resume()
        agent.holdfast("renew", "web")
        assert agent.cert("web")["ca"] == first["ca"]


def test_without_a_standby_nobody_is_told(bench):
    with bench.with_key(bench.agent()) as agent:
        agent.wait_active("web")
        done = agent.holdfast("renew", "web", "--standby", check=False)
        assert done.returncode == 1 and "standby" in done.stderr


def test_the_standby_takes_over_by_itself_and_hands_back(bench, bao, paused):
    with with_standby(bench, after="1s", want={"ttl": "15s"}) as agent:
        first = agent.wait_active("web")
        paused()
        wait_for(agent.log, lambda: agent.cert("web")["of_standby"], 40)
        bao.resume()
        wait_for(agent.log, lambda: agent.cert("web")["ca"] == first["ca"], 60)


def test_a_restart_knows_the_standbys_certificate(bench, paused):
    agent = with_standby(bench)
    with agent:
        agent.wait_active("web")
        agent.holdfast("renew", "web", "--standby")
        serial = agent.cert("web")["serial"]
    paused()
    with agent:
        cert = agent.wait_active("web")
        assert cert["of_standby"] and cert["serial"] == serial


# --- cut off ---

def test_cut_off_it_serves_to_the_end_and_says_when_that_is(bench, bao, paused):
    signer = bench.signer(timeout="1s")
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(ttl="24s")])], [signer]))
    with agent:
        end = agent.wait_active("web")["valid_before"]
        paused()
        wait_for(agent.log, lambda: "no new one comes" in warnings(agent), 30)
        assert end in warnings(agent)
        assert len(agent.list_blobs()) == 1  # it goes on serving
        wait_for(agent.log, lambda: agent.cert("web")["state"] == "expired", 30)
        assert agent.list_blobs() == []
        assert "has no valid certificate" in warnings(agent)


# --- what a signer in trouble has to bear ---

TROUBLE = {
    "server error": (500, {}, b'{"errors": ["internal error"]}'),
    "sealed": (503, {}, b'{"errors": ["Vault is sealed"]}'),
    "limited": (429, {"Retry-After": "1"}, b'{"errors": ["request rate limit exceeded"]}'),
    "refused": (403, {}, b'{"errors": ["permission denied"]}'),
    "wrong role": (400, {}, b'{"errors": ["unknown role: my-role"]}'),
    "no certificate": (200, {}, json.dumps({"data": {"signed_key": "nonsense"}}).encode()),
    "not JSON": (200, {}, b"<html>"),
}
SECONDS, REQUESTS_MAX = 6, 15  # at 30 a minute these would be 3, each with 5 tries of the helper


@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_trouble_is_a_hot_loop(bench, tmp_path, trouble):
    with FakeVault(Ca(tmp_path / "ca")) as fake:
        lookup = {"data": {"ttl": 3600, "renewable": False, "policies": ["signer"], "type": "service"}}
        fake.answers["/v1/auth/token/lookup-self"] = (200, {}, json.dumps(lookup).encode())
        fake.answers[SIGN] = TROUBLE[trouble]
        signer = bench.signer(token="t")
        signer["vault"].update({"address": fake.address, "ca-bundle": str(fake.ca.path)})
        with bench.with_key(bench.agent(signers=[signer])) as agent:
            agent.wait_token("ready")
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                agent.list_blobs()
            assert agent.cert("web")["error"], "it fails, and says so"
        assert 1 <= len(fake.requests) <= REQUESTS_MAX, [r["path"] for r in fake.requests]
