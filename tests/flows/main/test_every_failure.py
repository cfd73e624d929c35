"""Every way in which a signer fails, one after the other, for an agent that has a working certificate.

Each is told in words, on the command line and in the status, as a chain that begins with what was to
be done and ends with what went wrong. None costs the certificate, nor does a kill -9 of the agent in
the middle of it; and when its cause is gone, so is the failure.
"""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from main.conftest import MOUNT, ROLE
from main.ssh_client import ssh
from stage.agent import BIN, wait_for
from stage.bao import Bao, Ca
from stage.sshd import Sshd, certify, keygen, me, public
from vault.servers import FakeVault

SIGN, LOOKUP = f"/v1/{MOUNT}/sign/{ROLE}", "/v1/auth/token/lookup-self"
GOOD_TOKEN = (200, {}, json.dumps({"data": {"ttl": 3600, "renewable": False}}).encode())
ASKED_FOR = {"principals": [me()], "validity": "-10s:+5m", "options": ["clear", "permit-pty"]}


class Story:
    """An agent with a certificate, and what has to be true of it whatever its signer does."""

    def __init__(self, agent, sshd, place):
        self.agent, self.sshd, self.place = agent, sshd, place

    def begin(self):
        self.serial = self.agent.wait_active("web")["serial"]
        self.agent.wait_cached("web")
        self.works()

    def works(self):
        """The certificate is the one of before, shown, and good for a login."""
        assert self.agent.cert("web")["serial"] == self.serial
        assert self.agent.cert("web")["state"] in ("active", "renewing")
        assert len(self.agent.list_blobs()) == 1
        self.agent.wait_token("ready")
        assert ssh(self.agent, self.sshd, self.place) == me()

    def fails(self, *words):
        self.told(self.agent.holdfast("renew", "web", check=False), words)

    def told(self, done, words):
        assert done.returncode == 1, done.stdout
        shown = self.agent.cert("web")["error"]["text"]
        for text in (done.stderr, shown):
            assert all(word in text for word in words), text
        head, *clauses = shown.split(": ")
        assert "vault" in head and clauses, shown  # a chain, and it names the signer
        self.works()

    def survives(self):
        """kill -9 and a new start while the failure lasts."""
        self.agent.kill()
        self.agent.start()
        self.agent.wait_active("web")
        self.works()

    def is_over(self):
        wait_for(self.agent.log, lambda: self.agent.holdfast("renew", "web", check=False).returncode == 0,
                 40, 0.5)
        assert self.agent.cert("web")["serial"] != self.serial
        assert self.agent.cert("web")["error"] is None
        assert ssh(self.agent, self.sshd, self.place) == me()


# --- what a real server does -------------------------------------------------------------------

@pytest.fixture
def real(bench, place, sshd, bao):
    """A story of a role and a policy of its own."""
    role(bao)
    bao.allow_sign("failing", f"{MOUNT}/failing")
    token = bao.token(["failing"], ttl="1h")
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(role="failing")])],
                                       [bench.signer(token)]))
    with agent:
        story = Story(agent, sshd, place)
        story.token = token
        story.begin()
        yield story


def role(bao, **options):
    bao.enable_ssh(MOUNT, "failing", **{"allowed_users": me(), "ttl": "1m", **options})


def new_token(bao, story):
    pathlib.Path(story.agent.settings["signers"][0]["vault"]["login"]["token-file"]).write_text(
        bao.token(["failing"], ttl="1h"))


REAL = {
    "sealed": (lambda b, s: b.seal(), lambda b, s: b.unseal(), ["sealed"]),
    "403 after a change of policy": (
        lambda b, s: b.allow_sign("failing", f"{MOUNT}/another"),
        lambda b, s: b.allow_sign("failing", f"{MOUNT}/failing"), ["403", "permission denied"]),
    "token revoked": (lambda b, s: b.api("POST", "auth/token/revoke", {"token": s.token}), new_token,
                      ["403", "permission denied"]),
    "max_ttl below the request": (lambda b, s: role(b, max_ttl="1m"), lambda b, s: role(b),
                                  ["ttl is larger than maximum allowed", "Vault says"]),
    "wrong role": (lambda b, s: b.api("DELETE", f"{MOUNT}/roles/failing"), lambda b, s: role(b),
                   ["failing"]),
}


@pytest.mark.parametrize("failure", REAL)
def test_of_a_real_server(real, bao, failure):
    begin, end, words = REAL[failure]
    begin(bao, real)
    try:
        real.fails(*words)
        real.survives()
    finally:
        end(bao, real)
    real.is_over()


def test_a_server_that_is_killed_during_a_request(bench, place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    with Bao(folder / "bao", persistent=True) as bao:
        (folder / "ca.pub").write_text(bao.enable_ssh(MOUNT, ROLE, allowed_users=me()) + "\n")
        bao.allow_sign("signer", f"{MOUNT}/{ROLE}")
        bench.bao = bao
        agent = bench.with_key(bench.agent(signers=[bench.signer(timeout="5s")]))
        with agent, Sshd(folder, user_ca=folder / "ca") as sshd:
            story = Story(agent, sshd, known(folder, sshd))
            story.begin()
            os.kill(bao.pid, signal.SIGSTOP)
            renewing = subprocess.Popen([BIN / "holdfast", "renew", "web"], env=agent.env(), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for("a request under way", lambda: agent.cert("web")["state"] == "renewing")
            time.sleep(0.5)
            bao._process.kill()
            bao._process.wait()
            out, err = renewing.communicate(timeout=90)
            story.told(subprocess.CompletedProcess([], renewing.returncode, out, err),
                       [bao.address, "onnect"])
            story.survives()
            bao.start()
            story.is_over()


def known(folder, sshd):
    """A folder whose home knows this host."""
    home = folder / "home/.ssh"
    home.mkdir(parents=True)
    (home / "known_hosts").write_text(sshd.known_hosts_line() + "\n")
    return folder


# --- what a real server does not do --------------------------------------------------------------

class Signer:
    """A FakeVault that certifies what is sent to it, as it should."""

    def __init__(self, folder, ca):
        self.folder, self.ca, self.serial = folder, ca, 0
        self.tls = Ca(folder / "tls", "TLS CA")
        self.fake = FakeVault(self.tls)

    def sign(self, key=None, ca=None, **fields):
        """Make each answer from now on: a certificate of what was asked for, or of something else."""
        def answer(_):
            self.serial += 1
            body = json.loads(self.fake.requests[-1]["body"])
            path = key or self.folder / f"asked-{self.serial}"
            if key is None:
                public(path).write_text(body["public_key"] + "\n")
            cert = certify(ca or self.ca, path, serial=self.serial, **{**ASKED_FOR, **fields})
            return 200, {}, json.dumps({"data": {"signed_key": cert.read_text()}}).encode()
        self.say(answer)

    def say(self, answer):
        self.fake.answers[SIGN] = answer

    def well(self):
        """All is as it should be."""
        self.fake.raw.clear()
        self.fake.endless.clear()
        self.fake.answers[LOOKUP] = GOOD_TOKEN
        self.sign()
        self.fake.present(self.tls)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return keygen(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def host(ca, tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    with Sshd(folder, user_ca=ca) as sshd:
        known(folder, sshd)
        sshd.home = folder
        yield sshd


@pytest.fixture
def fake(bench, ca, host):
    signer = Signer(bench.folder, ca)
    with signer.fake as server:
        signer.well()
        settings = bench.signer("t.fake", timeout="3s")
        settings["vault"].update({"address": server.address, "ca-bundle": str(signer.tls.path)})
        agent = bench.with_key(bench.agent(
            [bench.identity(wants=[bench.want(extensions=["permit-pty"])])], [settings]))
        with agent:
            story = Story(agent, host, host.home)
            story.begin()
            yield signer, story


def short(stream):
    stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b'{"data": {"signed_key": "ecdsa')


FAKE = {
    # the connection
    "hangs up": (lambda s: s.fake.raw.update({SIGN: lambda stream: None}), ["127.0.0.1"]),
    "TLS certificate expired": (lambda s: s.fake.present(s.tls, days=-1), ["certificate has expired"]),
    "TLS certificate for another name": (
        lambda s: s.fake.present(s.tls, names="DNS:other.example.org"), ["127.0.0.1", "certificate"]),
    "TLS certificate from another CA": (
        lambda s: s.fake.present(Ca(s.folder / "other", "another CA")),
        ["ca.pem must hold the CA"]),
    # the answer
    "truncated": (lambda s: s.fake.raw.update({SIGN: short}), ["127.0.0.1"]),
    "200 MB": (lambda s: s.fake.endless.update({SIGN: 200_000_000}), ["longer than 1048576 bytes"]),
    "not JSON": (lambda s: s.say((200, {}, b"<html>")), ["not a JSON object"]),
    "JSON of another shape": (lambda s: s.say((200, {}, b'{"data": {"signed_key": [1]}}')),
                              ['no "signed_key"']),
    "500": (lambda s: s.say((500, {}, b'{"errors": ["internal error"]}')), ["500", "internal error"]),
    "limited": (lambda s: s.say((429, {"Retry-After": "3600"}, b'{"errors": ["rate limit"]}')),
                ["429", "rate limit"]),
    # the certificate
    "for another key": (lambda s: s.sign(key=keygen(s.folder / "another")), ["it certifies key"]),
    "validity in the past": (lambda s: s.sign(validity="-2h:-1h"), ["it is valid until", "at least"]),
    "validity in the future": (lambda s: s.sign(validity="+1h:+65m"),
                               ["it is valid from", "do the clocks agree?"]),
    "a hundred years": (lambda s: s.sign(validity="-10s:21260101"),
                        ["it is valid until", "at most until"]),
    "no principals": (lambda s: s.sign(principals=[]), ["its principals are ''"]),
    "wrong type": (lambda s: s.sign(host=True, options=[]), ["a host certificate", "a user certificate"]),
    "an extension nobody asked for": (
        lambda s: s.sign(options=["clear", "permit-pty", "permit-port-forwarding"]),
        ["permit-port-forwarding", "asked for were 'permit-pty'"]),
    "another CA": (lambda s: s.sign(ca=keygen(s.folder / "other-ca")), ["it comes from CA"]),
}


@pytest.mark.parametrize("failure", FAKE)
def test_of_a_server_that_no_vault_is(fake, failure):
    signer, story = fake
    begin, words = FAKE[failure]
    begin(signer)
    story.fails(*words)
    story.survives()
    signer.well()
    story.is_over()
