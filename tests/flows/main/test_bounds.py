"""How often a server is asked by who fails all the time, counted by the server itself: its audit device."""

import collections
import os
import signal
import subprocess
import time

import pytest

from main.conftest import MOUNT, ROLE
from stage.agent import BIN, wait_for
from stage.bao import Bao, write_private
from stage.sshd import me

IDENTITIES, SECONDS = 10, 70
TRIES = 2  # of one certificate: the first, and one after a minute; each may be doubted once
LOGINS = 6 + 7  # a burst, and one in ten seconds
REFUSED_LOGINS = 8  # after 1 s, 2 s, 4 s, ... of waiting
KILLING_S, LIVES = 20, 8  # of holdfast-vault: after 0.1 s, 0.2 s, 0.4 s, ... 12.8 s of waiting


@pytest.fixture
def audited(tmp_path):
    with Bao(tmp_path / "bao", audited=True) as bao:
        bao.enable_ssh(MOUNT, ROLE, allowed_users=me(), ttl="30m")
        bao.allow_sign("other", f"{MOUNT}/other")
        yield bao


def signer(bao, name, **login):
    return {"name": name, "vault": {"address": bao.address, "ca-bundle": str(bao.ca_path),
                                    "login": login}}


def by_approle(bao, folder):
    role = bao.enable_approle("refused", policies=["other"])
    return signer(bao, "vault", method="approle", **{
        "role-id-file": str(write_private(folder / "role", role.role_id)),
        "secret-id-file": str(write_private(folder / "secret", role.secret_id()))})


def by_wrong_password(bao, folder):
    bao.api("POST", "sys/auth/userpass", {"type": "userpass"})
    bao.api("POST", "auth/userpass/users/alice", {"password": "right"})
    return signer(bao, "wrong", method="userpass", user="alice", **{
        "password-file": str(write_private(folder / "password", "wrong"))})


def test_refusals_for_more_than_a_minute(bench, audited):
    """By policy, and of the login itself."""
    refused = [f"i{n}" for n in range(IDENTITIES)]
    locked = [f"l{n}" for n in range(IDENTITIES)]
    agent = bench.agent(
        [bench.identity(name, label="web") for name in refused] +
        [bench.identity(name, label="web", wants=[bench.want(signer="wrong")]) for name in locked],
        [by_approle(audited, bench.folder), by_wrong_password(audited, bench.folder)])
    bench.with_key(agent)
    before = len(audited.audit_path.read_text().splitlines())
    with agent:
        wait_for(agent.log, lambda: all(i["certificates"][0]["error"]
                                        for i in agent.status()["identities"]))
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert agent.list_blobs() == []  # somebody asks all the time
            time.sleep(0.1)
        assert "permission denied" in agent.cert("i0")["error"]["text"]
        assert "invalid username or password" in agent.cert("l0")["error"]["text"]
        asked = collections.Counter(r["request"]["path"] for r in audited.requests(before))
        signs, logins = asked.pop(f"{MOUNT}/sign/{ROLE}"), asked.pop("auth/approle/login")
        assert IDENTITIES <= signs <= IDENTITIES * TRIES * 2, asked
        assert 1 <= logins <= LOGINS, asked
        assert 1 <= asked.pop("auth/userpass/login/alice") <= REFUSED_LOGINS, asked
        assert sum(asked.values()) <= LOGINS + IDENTITIES * TRIES, asked  # is the token still good?
        audited.allow_sign("other", f"{MOUNT}/{ROLE}")  # and without a restart
        agent.holdfast("renew", "i0")
        assert agent.wait_active("i0")


def logins(bao, before):
    return sum(r["request"]["path"] == "auth/approle/login" for r in bao.requests(before))


def test_a_helper_that_is_killed_whenever_it_has_logged_in(bench, audited):
    """Each of its lives costs a login, so they come more and more seldom, whoever asks."""
    audited.allow_sign("other", f"{MOUNT}/{ROLE}")
    agent = bench.with_key(bench.agent(signers=[by_approle(audited, bench.folder)]))
    before = len(audited.audit_path.read_text().splitlines())
    with agent:
        agent.wait_active("web")
        killed, renewing = 0, None
        until = time.monotonic() + KILLING_S
        while time.monotonic() < until:
            if renewing is None or renewing.poll() is not None:
                renewing = subprocess.Popen([BIN / "holdfast", "renew", "web"], env=agent.env(),
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if logins(audited, before) > killed:
                for pid in agent.helpers("holdfast-vault"):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(0.02)
        assert LIVES - 2 <= killed <= LIVES
        renewing.wait(60)
        serial = agent.cert("web")["serial"]
        agent.holdfast("renew", "web")
        assert agent.cert("web")["serial"] != serial
        assert logins(audited, before) == killed + 1
        assert agent.status()["vault_helper"]["restarts"] == killed
