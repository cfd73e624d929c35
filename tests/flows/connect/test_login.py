"""holdfast-connect against a real sshd: who gets in, who does not and why, what commands do.

Each test runs connect_probe, which is the agent's client with the real helper behind it. Signatures
come from a stock ssh-agent: the helper takes any agent socket.
"""

import hashlib
import re
import subprocess

import pytest

from connect.runs import an_agent
from stage.sshd import KINDS, Sshd, fingerprint, keygen, me, public, run


# --- who gets in ---

@pytest.mark.parametrize("kind", KINDS)
def test_certificate_of_each_key_type_logs_in(place, sshd, new_key, kind):
    key = new_key(kind, key_id=f"the {kind} key")
    with an_agent(place, key) as agent:
        done = place.run(sshd, agent, command="id -un; echo to-stderr >&2; exit 5").worked()
    text = done.steps["authentication"]["text"]
    assert text.startswith(f'certificate "the {kind} key" serial 1 for {me()} until')
    assert done.output == me().encode() + b"\n" and done.errors == b"to-stderr\n"
    assert done.end["status"] == 5
    assert sshd.logged(rf"Accepted .*-CERT {re.escape(fingerprint(key))} ID the {kind} key")


@pytest.mark.parametrize("kind", KINDS)
def test_plain_key_of_each_type_logs_in(place, new_key, agent, kind):
    key = new_key(kind)
    with Sshd(place.folder, host_keys=[kind], authorized_keys=[key]) as sshd, \
            an_agent(place, key) as agent:
        place.know(sshd.known_hosts_line(kind))
        done = place.run(sshd, agent).worked()
    assert done.steps["authentication"]["text"] == f"key {kind} {fingerprint(key)}"
    assert done.steps["session"]["text"] == "opened and closed"


def test_report_of_a_login(place, sshd, agent):
    done = place.run(sshd, agent).worked()
    text = {step: e["text"] for step, e in done.steps.items()}
    assert text["resolve"] == "127.0.0.1" and text["tcp"] == f"127.0.0.1 port {sshd.port}"
    assert "OpenSSH" in text["key-exchange"] and "ssh-ed25519" in text["key-exchange"]
    assert text["host-key"] == f"ed25519 {fingerprint(sshd.host_key())} known in {place.known}:3"
    assert text["identity"].startswith('2 of 2 identities (1 of them certificates), first certif')
    assert done.ms >= sum(e["ms"] for e in done.steps.values())


def test_certificates_go_first(place, sshd, new_key):
    keys = [new_key() for _ in range(7)]
    good = new_key(key_id="good")
    with an_agent(place, *keys, good) as agent:
        done = place.run(sshd, agent).worked()
    assert '"good"' in done.steps["authentication"]["text"]
    assert done.steps["identity"]["text"].startswith("6 of 9 identities (1 of them certificates)")


def test_only_the_given_key_is_offered(place, sshd, agent):
    done = place.run(sshd, agent, only=f"{place.key}-cert.pub").worked()
    assert done.steps["identity"]["text"].startswith("1 of 2")
    place.run(sshd, agent, only=public(place.key)).failed(
        "authentication", "denied", f"key ed25519 {fingerprint(place.key)}", "authorized_keys")


def test_principals_may_be_mapped_by_the_host(place, new_key):
    key = new_key(principals=["ops"])
    with Sshd(place.folder, user_ca=place.ca, principals=["ops"]) as sshd, \
            an_agent(place, key) as agent:
        place.know(sshd.known_hosts_line())
        place.run(sshd, agent).worked()


# --- who does not ---

def test_wrong_principal(place, sshd, new_key):
    key = new_key(principals=["alice", "bob"], key_id="theirs", serial=12)
    with an_agent(place, key) as agent:
        place.run(sshd, agent, only=f"{key}-cert.pub").failed(
            "authentication", "denied", 'certificate "theirs" serial 12 for alice,bob until 2',
            f"{me()} is not among its principals", f"lets {me()} in by publickey")


def test_expired_certificate_goes_last_and_says_so(place, sshd, new_key):
    key = new_key(validity="20200101000000:20200102000000")
    with an_agent(place, key) as agent:
        done = place.run(sshd, agent)
    error = done.failed("authentication", "denied", "expired at 2020-01-0").error
    assert error.index("authorized_keys") < error.index("expired")


def test_certificate_that_is_not_valid_yet(place, sshd, new_key):
    key = new_key(validity="20400101000000:20400102000000")
    with an_agent(place, key) as agent:
        place.run(sshd, agent).failed("authentication", "denied", "valid only from 20")


def test_ca_that_the_host_does_not_trust(place, sshd, new_key):
    other = keygen(place.folder / "other-ca")
    key = new_key(ca=other, options=["source-address=10.0.0.0/8"])
    with an_agent(place, key) as agent:
        place.run(sshd, agent, only=f"{key}-cert.pub").failed(
            "authentication", "denied", f"trust its CA {fingerprint(other)}", "10.0.0.0/8")


def test_source_address_is_refused_after_all(place, sshd, new_key):
    key = new_key(options=["source-address=10.0.0.0/8"])
    with an_agent(place, key) as agent:
        place.run(sshd, agent, only=f"{key}-cert.pub").failed("authentication", "denied",
                                                              "good only from 10.0.0.0/8")


def test_host_that_hangs_up_after_too_many(place, new_key):
    keys = [new_key() for _ in range(4)]
    with Sshd(place.folder, options=["MaxAuthTries 2"]) as sshd, an_agent(place, *keys) as agent:
        place.know(sshd.known_hosts_line())
        place.run(sshd, agent).failed("authentication", "denied",
                                      "Too many authentication failures")


def test_host_that_takes_no_keys(place, agent):
    with Sshd(place.folder, options=["PubkeyAuthentication no"]) as sshd:
        sshd.stop()
        sshd.lines = [line.replace("PasswordAuthentication no", "PasswordAuthentication yes")
                      for line in sshd.lines]
        sshd.start()
        place.know(sshd.known_hosts_line())
        place.run(sshd, agent).failed("authentication", "denied", "only password")


def test_host_that_takes_no_rsa(place, new_key):
    key = new_key("rsa", key_id="rsa")
    with Sshd(place.folder, user_ca=place.ca, options=[
            "PubkeyAcceptedAlgorithms ssh-ed25519-cert-v01@openssh.com"]) as sshd, \
            an_agent(place, key) as agent:
        place.know(sshd.known_hosts_line())
        place.run(sshd, agent).failed("authentication", "denied", 'certificate "rsa"')


def test_agent_that_refuses_to_sign(place, sshd, new_key, monkeypatch):
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    with an_agent(place, new_key(key_id="asks"), options=["-c"]) as agent:
        place.run(sshd, agent).failed("authentication", "denied", "the agent refuses to sign")


def test_agent_without_identities(place, sshd):
    with an_agent(place) as agent:
        place.run(sshd, agent).failed("identity", "not-found", "the agent has no identities")


def test_key_that_the_agent_does_not_hold(place, sshd, agent, new_key):
    key = new_key()
    place.run(sshd, agent, only=public(key)).failed(
        "identity", "not-found", f"none of the agent's 2 identities is the key {fingerprint(key)}")


def test_no_agent(place, sshd):
    class Nobody:
        socket = place.folder / "nobody.sock"

    place.run(sshd, Nobody).failed("identity", "not-found", "nobody.sock")


# --- commands ---

def test_much_output_arrives_whole(place, sshd, agent):
    command = "i=0; while [ $i -lt 3 ]; do seq 1 100000; i=$((i+1)); done"
    done = place.run(sshd, agent, command=command).worked()
    expected = subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout
    assert hashlib.sha256(done.output).digest() == hashlib.sha256(expected).digest()


def test_status_of_a_command_that_closed_its_output(place, sshd, agent):
    command = "exec sh -c 'exec >&- 2>&- <&-; sleep 0.5; exit 9'"
    assert place.run(sshd, agent, command=command).worked().end["status"] == 9


def test_command_ended_by_a_signal(place, sshd, agent):
    done = place.run(sshd, agent, command="kill -TERM $$").worked()
    assert done.end["status"] == 255
    assert done.steps["session"]["text"] == "command ended by signal TERM"


def test_command_may_take_longer_than_a_step(place, sshd, agent):
    assert place.run(sshd, agent, step_ms=1000, command="sleep 1.5; echo done").worked().output


def test_command_that_does_not_end(place, sshd, agent):
    done = place.run(sshd, agent, total_ms=2500, command="yes")
    done.failed("session", "timeout", "the command did not end")
    assert done.ms < 8000


def test_run_that_is_given_up_ends_the_helper(place, sshd, agent):
    done = place.run(sshd, agent, free_after="authentication", command="sleep 60")
    # io/ kills a helper that has not ended after 2 s: this one ends by itself.
    assert done.end["freed"] and done.end["ms"] < 1500
    assert not [e for e in done.events if e["step"] == "session"]
