"""holdfast-connect against a real sshd: who gets in, which host is believed, and what is said of
everything else.

Each test runs connect_probe, which is the agent's client with the real helper behind it. Signatures
come from a stock ssh-agent: the helper takes any agent socket.
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from stage.sshd import (KINDS, SshAgent, Sshd, certify, fingerprint, keygen, me, public,
                        public_line, run, sshd_program)

BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin"
pytestmark = pytest.mark.skipif(not sshd_program(), reason="no sshd")
STEPS = ["resolve", "tcp", "key-exchange", "host-key", "identity", "authentication", "session"]


class Run:
    """What connect_probe printed: .steps .end .error .output .errors .ms"""

    def __init__(self, **settings):
        arguments = []
        for name, value in settings.items():
            values = value if isinstance(value, list) else [value]
            arguments += [f"{name}={v}" for v in values]
        began = time.monotonic()
        done = subprocess.run([BIN / "connect_probe", BIN / "holdfast-connect", *arguments],
                              capture_output=True, text=True, timeout=100)
        self.ms = 1000 * (time.monotonic() - began)
        assert done.returncode == 0, done.stderr
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.end, self.events = lines[-1], lines[:-1]
        self.error = self.end.get("error", "")
        pieces = [(e["stderr"], base64.b64decode(e["output"])) for e in self.events if e["output"]]
        self.output = b"".join(p for is_stderr, p in pieces if not is_stderr)
        self.errors = b"".join(p for is_stderr, p in pieces if is_stderr)
        self.steps = {e["step"]: e for e in self.events if not e["output"]}

    def worked(self):
        assert self.end["done"] and self.end["failed"] == "" and self.end["exit"] == 0, self.end
        assert list(self.steps) == STEPS and all(e["ok"] for e in self.steps.values())
        return self

    def failed(self, step, code, *words):
        assert self.end["failed"] == step, self.end
        assert self.end["exit"] == 11 + STEPS.index(step)
        assert self.end["code"] == code, self.end
        assert not self.steps[step]["ok"] and self.steps[step]["error"] == self.error
        for word in words:
            assert str(word) in self.error
        return self


class Place:
    """A folder with a CA, one certified key in an agent, and an sshd that trusts the CA."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = keygen(folder / "ca")
        self.key = keygen(folder / "id")
        certify(self.ca, self.key, [me()], key_id="web", serial=7)
        self.known = folder / "known_hosts"

    def know(self, *lines):
        self.known.write_text("".join(f"{line}\n" for line in lines))

    def run(self, sshd, agent, **settings):
        return Run(**{"agent": agent.socket, "user": me(), "host": sshd.address, "port": sshd.port,
                      "known": self.known, **settings})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # A Unix socket's path is short, pytest's folders are not.
    path = pathlib.Path(run("mktemp", "-d", "-t", "hf-connect-XXXXXX").strip())
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def place(folder):
    return Place(folder)


@pytest.fixture(scope="module")
def sshd(place):
    with Sshd(place.folder, user_ca=place.ca) as server:
        yield server


@pytest.fixture(scope="module")
def agent(place):
    with SshAgent(place.folder) as server:
        server.add(place.key)
        yield server


@pytest.fixture(autouse=True)
def knows_sshd(request, place):
    if "sshd" in request.fixturenames:
        place.know("# a comment", "", request.getfixturevalue("sshd").known_hosts_line())


@contextlib.contextmanager
def an_agent(place, *keys, options=()):
    (place.folder / "other").mkdir(exist_ok=True)
    with SshAgent(place.folder / "other") as server:
        for key in keys:
            server.add(key, *options)
        yield server


@pytest.fixture
def new_key(place, tmp_path):
    """Makes keys in a folder of the test's own."""
    def make(kind="ed25519", **cert):
        key = keygen(tmp_path / f"key-{len(list(tmp_path.iterdir()))}", kind)
        if cert:
            certify(cert.pop("ca", place.ca), key, **{"principals": [me()], **cert})
        return key

    return make


# --- who gets in -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_certificate_of_each_key_type_logs_in(place, sshd, new_key, kind):
    key = new_key(kind, key_id=f"the {kind} key")
    with an_agent(place, key) as agent:
        done = place.run(sshd, agent, command="id -un; echo to-stderr >&2; exit 5").worked()
    assert f'certificate "the {kind} key" serial 1 for {me()}' in done.steps["authentication"]["text"]
    assert done.output == me().encode() + b"\n" and done.errors == b"to-stderr\n"
    assert done.end["status"] == 5
    assert sshd.logged(rf"Accepted publickey .*-CERT {re.escape(fingerprint(key))} ID the {kind} key")


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
    assert text["host-key"] == (f"ed25519 {fingerprint(sshd.host_key())} known in {place.known}:3")
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


# --- who does not ----------------------------------------------------------------------------------

def test_wrong_principal(place, sshd, new_key):
    key = new_key(principals=["alice", "bob"], key_id="theirs", serial=12)
    with an_agent(place, key) as agent:
        place.run(sshd, agent, only=f"{key}-cert.pub").failed(
            "authentication", "denied", 'certificate "theirs" serial 12 for alice,bob until 2',
            f"{me()} is not among its principals", f"lets {me()} in by publickey")


def test_expired_certificate_goes_last_and_says_so(place, sshd, new_key):
    key = new_key(validity="20200101000000:20200102000000")
    with an_agent(place, key) as agent:
        error = place.run(sshd, agent).failed("authentication", "denied", "expired at 2020-01-0").error
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
        place.run(sshd, agent).failed("authentication", "denied", "Too many authentication failures")


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


# --- which host is believed ------------------------------------------------------------------------

def refused(place, sshd, agent, code, *words):
    """Refused before the host learns the user's name."""
    done = place.run(sshd, agent, user="must-not-be-seen").failed("host-key", code, *words)
    assert "must-not-be-seen" not in sshd.log()
    return done


def test_hashed_name(place, sshd, agent):
    place.know("other ssh-ed25519 AAAA", sshd.known_hosts_line())
    run("ssh-keygen", "-q", "-H", "-f", place.known)
    assert sshd.address not in place.known.read_text()
    assert f"{place.known}:2" in place.run(sshd, agent).worked().steps["host-key"]["text"]


def test_several_files_and_one_that_is_missing(place, sshd, agent, folder):
    empty = folder / "empty"
    empty.write_text("")
    place.run(sshd, agent, known=[folder / "absent", empty, place.known]).worked()


def test_name_without_port(place, sshd, agent):
    place.know(f"127.0.0.* {public_line(sshd.host_key())}")
    place.run(sshd, agent).worked()


def test_changed_key(place, sshd, agent, new_key):
    old = new_key()
    place.know(f"{sshd.known_hosts_name} {public_line(old)}")
    refused(place, sshd, agent, "denied", "host key changed", f"{place.known}:1",
            fingerprint(sshd.host_key()), fingerprint(old))


def test_known_key_of_another_type(place, sshd, agent, new_key):
    place.know(f"{sshd.known_hosts_name} {public_line(new_key('p256'))}")
    refused(place, sshd, agent, "denied", "host key changed", "has p256")


def test_revoked_key(place, sshd, agent):
    line = sshd.known_hosts_line()
    place.know(line, f"@revoked * {public_line(sshd.host_key())}")
    refused(place, sshd, agent, "denied", "@revoked", f"{place.known}:2")


def test_unknown_host_gets_the_line_to_add(place, sshd, agent):
    place.know(f"elsewhere {public_line(sshd.host_key())}",
               f"*,!{sshd.known_hosts_name} {public_line(sshd.host_key())}")
    done = refused(place, sshd, agent, "not-found", fingerprint(sshd.host_key()))
    place.know(done.error.split("known_hosts: ")[1])
    place.run(sshd, agent).worked()


def test_types_that_are_known_are_asked_for(place, agent):
    with Sshd(place.folder, host_keys=["ed25519", "rsa", "p384"], user_ca=place.ca) as sshd:
        for kind in sshd.kinds:
            place.know(sshd.known_hosts_line(kind))
            assert kind in place.run(sshd, agent).worked().steps["host-key"]["text"]


# --- hosts known by @cert-authority only -----------------------------------------------------------

@pytest.fixture(scope="module")
def host_ca(place):
    return keygen(place.folder / "host-ca", "p256")


@contextlib.contextmanager
def certified_sshd(place, ca, kinds=("ed25519",), certified="ed25519", **fields):
    sshd = Sshd(place.folder, host_keys=kinds, user_ca=place.ca)
    sshd.certify_host(ca, certified, **{"principals": ["127.0.0.1"], "key_id": "host", **fields})
    with sshd:
        place.know(f"@cert-authority 127.0.0.1,[127.0.0.1]:* {public_line(ca)}")
        yield sshd


def test_host_certificate(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        text = place.run(sshd, agent).worked().steps["host-key"]["text"]
    assert f'known as @cert-authority in {place.known}:1 by certificate "host" serial 1' in text


def test_host_certificate_with_patterns(place, agent, host_ca):
    with certified_sshd(place, host_ca, principals=["elsewhere", "127.0.0.?"]) as sshd:
        place.run(sshd, agent).worked()


def test_only_one_of_the_host_keys_is_certified(place, agent, host_ca):
    with certified_sshd(place, host_ca, ("ed25519", "rsa", "p521"), "rsa") as sshd:
        assert "rsa" in place.run(sshd, agent).worked().steps["host-key"]["text"]


@pytest.mark.parametrize("fields, words", [
    ({"principals": ["elsewhere.example"]}, "it is for (elsewhere.example), not for 127.0.0.1"),
    ({"principals": []}, "it is for (), not for 127.0.0.1"),
    ({"validity": "20200101000000:20200102000000"}, "it expired at 2020-01-0"),
    ({"validity": "20400101000000:20400102000000"}, "it is valid only from 20"),
])
def test_host_certificate_that_does_not_hold(place, agent, host_ca, fields, words):
    with certified_sshd(place, host_ca, **fields) as sshd:
        refused(place, sshd, agent, "certificate", 'host certificate "host"', words)


def test_host_certificate_of_another_ca(place, agent, host_ca, new_key):
    other = new_key()
    with certified_sshd(place, other) as sshd:
        place.know(f"@cert-authority * {public_line(host_ca)}")
        refused(place, sshd, agent, "certificate", f"its CA is ed25519 {fingerprint(other)}",
                fingerprint(host_ca))


def test_host_certificate_of_a_revoked_ca(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        place.know(place.known.read_text(), f"@revoked * {public_line(host_ca)}")
        refused(place, sshd, agent, "denied", "its CA", "@revoked")


def test_host_with_a_revoked_key_and_a_certificate(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        place.know(place.known.read_text(), f"@revoked * {public_line(sshd.host_key())}")
        refused(place, sshd, agent, "denied", "@revoked")


def test_host_without_a_certificate(place, sshd, agent, host_ca):
    place.know(f"@cert-authority * {public_line(host_ca)}")
    refused(place, sshd, agent, "certificate", "shows no host certificate", f"{place.known}:1")


# --- hosts that are not there ----------------------------------------------------------------------

class Listener:
    """Accepts, says @greeting, and nothing more."""

    def __init__(self, greeting=b"", hang_up=False):
        self.server, self.greeting, self.hang_up = socket.create_server(("127.0.0.1", 0)), greeting, hang_up
        self.address, self.port = self.server.getsockname()
        self.peers = []

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.server.accept()
                self.peers.append(peer)
                peer.sendall(self.greeting)
                if self.hang_up:
                    peer.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for s in [self.server, *self.peers]:
            s.close()


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
        place.run(stops, agent, step_ms=500).failed("key-exchange", "timeout", "key exchange did not")


def test_host_that_hangs_up(place, sshd, agent):
    with Listener(hang_up=True) as rude:
        assert place.run(rude, agent).end["failed"] == "key-exchange"


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50, b"\x00\xff" * 40000],
                         ids=["http", "noise"])
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


# --- commands --------------------------------------------------------------------------------------

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
    assert done.end == {"freed": True}
    assert done.ms < 5000
    assert not [e for e in done.events if e["step"] == "session"]


def test_helper_knows_no_key_and_the_client_no_network():
    """The privilege line: libssh2 is in the helper and nowhere in the agent's client."""
    def symbols(program):
        return run("nm", BIN / program) + run("nm", "-D", BIN / program)

    assert "libssh2_" in symbols("holdfast-connect")
    assert "libssh2_" not in symbols("connect_probe")
