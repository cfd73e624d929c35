"""Renewal: a certificate of some seconds, logins all the time, no gap; and life without OpenBao."""

import os
import pathlib
import time

from main.ssh_client import connect, ssh
from stage.agent import wait_for


def serials_while(agent, sshd, place, renewals):
    """Log in by turns with both clients until so many renewals were seen; the serials in order."""
    seen = [agent.wait_active("web")["serial"]]
    until = time.monotonic() + 90
    while len(seen) <= renewals:
        assert time.monotonic() < until, (seen, agent.log())
        ssh(agent, sshd, place, "true")
        connect(agent, sshd)
        serial = agent.cert("web")["serial"]
        if serial != seen[-1]:
            seen.append(serial)
    return seen


def test_five_renewals_without_a_failed_login(bench, place, sshd):
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(ttl="6s")])]))
    with agent:
        seen = serials_while(agent, sshd, place, 5)
    assert len(set(seen)) == 6


def test_restart_without_openbao_uses_the_cached_certificate(bench, place, sshd, bao):
    agent = bench.with_key(bench.agent())
    with agent:
        serial = agent.wait_active("web")["serial"]
    bao.pause()
    try:
        with agent:
            agent.wait_token("ready")
            assert agent.wait_active("web")["serial"] == serial
            ssh(agent, sshd, place)
    finally:
        bao.resume()


def test_kill_9_keeps_the_certificate(bench, place, sshd, bao):
    agent = bench.with_key(bench.agent())
    agent.start()
    serial = agent.wait_active("web")["serial"]
    agent.wait_cached("web")
    agent.kill()
    bao.pause()
    try:
        with agent:  # takes over the dead agent's sockets
            assert agent.wait_active("web")["serial"] == serial
            agent.wait_token("ready")
            ssh(agent, sshd, place)
    finally:
        bao.resume()


def test_an_expired_certificate_is_withdrawn(bench, bao):
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(ttl="5s")])]))
    with agent:
        agent.wait_active("web")
        bao.pause()
        try:
            wait_for(agent.log, lambda: agent.cert("web")["state"] == "expired", 20)
            assert agent.list_blobs() == []
        finally:
            bao.resume()
        agent.wait_active("web", 60)
        assert len(agent.list_blobs()) == 1


def test_renew_by_hand(bench):
    agent = bench.with_key(bench.agent())
    with agent:
        serial = agent.wait_active("web")["serial"]
        agent.holdfast("renew", "web")
        assert agent.cert("web")["serial"] != serial
        done = agent.holdfast("renew", "nobody", check=False)
        assert done.returncode == 1 and "nobody" in done.stderr


def test_a_damaged_cache_is_set_aside(bench):
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
    for file in pathlib.Path(agent.state, "certificates").iterdir():
        os.truncate(file, 40)
    with agent:
        agent.wait_active("web")
        names = [f.name for f in pathlib.Path(agent.state, "certificates").iterdir()]
    assert any("damaged" in name for name in names), names
