"""Hosts, agents, helpers and settings that are not what they should be."""

import socket

import pytest

from connect.runs import BIN, Listener
from stage.sshd import run


def test_closed_port(place, sshd, agent):
    with Listener() as gone:
        pass
    place.run(gone, agent).failed("tcp", "gone", f"127.0.0.1 port {gone.port} (Connection refused)")


def test_all_addresses_are_told(place, sshd, agent):
    with Listener() as gone:
        pass
    addresses = {a[4][0] for a in socket.getaddrinfo("localhost", gone.port)}
    place.run(gone, agent, host="localhost").failed("tcp", "gone", *addresses)


def test_silent_host(place, sshd, agent):
    with Listener() as silent:
        done = place.run(silent, agent, step_ms=700)
    done.failed("key-exchange", "timeout", "sends nothing within 700 ms")
    assert 700 <= done.ms < 5000


def test_host_that_stops_in_the_key_exchange(place, sshd, agent):
    with Listener(b"SSH-2.0-Stops\r\n") as stops:
        place.run(stops, agent, step_ms=500).failed("key-exchange", "timeout",
                                                    "key exchange did not")


def test_host_that_hangs_up(place, sshd, agent):
    with Listener(hang_up=True) as rude:
        assert place.run(rude, agent).end["failed"] == "key-exchange"


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50,
                                      b"\x00\xff" * 40000], ids=["http", "noise"])
def test_host_that_is_no_ssh(place, sshd, agent, greeting):
    with Listener(greeting) as other:
        assert place.run(other, agent, step_ms=2000).end["failed"] == "key-exchange"


def test_the_whole_run_has_a_deadline(place, sshd, agent):
    with Listener() as silent:
        place.run(silent, agent, step_ms=60000, total_ms=500).failed("key-exchange", "timeout")


def test_name_that_does_not_exist(place, sshd, agent):
    done = place.run(sshd, agent, host="no-such-host.invalid", step_ms=3000)
    assert done.end["failed"] == "resolve" and done.end["exit"] == 11
    assert done.end["code"] in ("not-found", "busy", "timeout"), done.end


@pytest.mark.parametrize("host", ["", "-oProxyCommand=true", "a b", "a,b", "[::1]", "x" * 300])
def test_what_cannot_be_a_host(place, sshd, agent, host):
    done = place.run(sshd, agent, host=host)
    assert done.end["code"] == "input" and not done.events


@pytest.mark.parametrize("settings", [{"port": 0}, {"port": 65536}, {"user": ""},
                                      {"user": "x" * 300}, {"step_ms": -1}])
def test_settings_that_cannot_be(place, sshd, agent, settings):
    assert place.run(sshd, agent, **settings).end["code"] == "input"


def test_agent_that_does_not_answer(place, sshd):
    class Silent:
        socket = place.folder / "silent.sock"

    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(Silent.socket))
        s.listen()
        place.run(sshd, Silent, step_ms=500).failed("identity", "timeout", "agent did not list")


@pytest.mark.parametrize("program, words", [("/bin/false", "exit status 1"), ("/absent", "start")])
def test_helper_that_dies(place, sshd, agent, program, words):
    done = place.run(sshd, agent, helper=program)
    assert done.end["failed"] == "resolve" and done.end["code"] == "gone" and words in done.error


def test_helper_that_hangs_is_killed(place, sshd, agent, tmp_path):
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o700)
    done = place.run(sshd, agent, helper=hangs, total_ms=300)
    assert done.end["failed"] == "resolve" and done.end["code"] == "timeout"
    assert done.ms < 10000


def test_helper_knows_no_key_and_the_client_no_network():
    """The privilege line: libssh2 is in the helper and nowhere in the agent's client."""
    def symbols(program):
        return run("nm", BIN / program) + run("nm", "-D", BIN / program)

    assert "libssh2_" in symbols("holdfast-connect")
    assert "libssh2_" not in symbols("connect_probe")
