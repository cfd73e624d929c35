"""Answers of a signer that must not be believed: each is refused with words, and nothing is lost."""

import base64
import json
import time

import pytest

from main.conftest import MOUNT, ROLE
from stage.agent import wait_for
from stage.bao import Ca
from stage.sshd import certify, keygen, me, public
from vault.servers import FakeVault

SIGN = f"/v1/{MOUNT}/sign/{ROLE}"


def answer(line):
    return 200, {}, json.dumps({"request_id": "r", "data": {"signed_key": line}}).encode()


class Liar:
    """A signer that certifies the agent's key, or says what it is told."""

    def __init__(self, bench, fake):
        self.bench, self.fake = bench, fake
        self.ca = keygen(bench.folder / "liar-ca")

    def certificate(self, agent, **fields):
        """A certificate for the agent's key as ssh-keygen makes it."""
        key = self.bench.folder / f"key{time.monotonic_ns()}"
        public(key).write_text(agent.holdfast("key", "public", "web").stdout)
        fields = {"principals": [me()], "validity": "-10s:+5m",
                  "options": ["clear", "permit-pty"], **fields}
        return certify(self.ca, key, **fields).read_text()


@pytest.fixture
def liar(bench):
    with FakeVault(Ca(bench.folder / "fake", "fake CA")) as fake:
        fake.answers["/v1/auth/token/lookup-self"] = (
            200, {}, json.dumps({"data": {"ttl": 3600, "renewable": False}}).encode())
        signer = bench.signer("t.fake")
        signer["vault"].update({"address": fake.address, "ca-bundle": str(fake.ca.path)})
        wants = [bench.want(**{"ca": None})]
        wants[0].pop("ca")
        agent = bench.with_key(bench.agent([bench.identity(wants=wants)], [signer]))
        yield Liar(bench, fake), agent


def other_key(liar, agent):
    key = keygen(liar.bench.folder / "another")
    return certify(liar.ca, key, principals=[me()], validity="-10s:+5m").read_text()


def forged(liar, agent):
    line = liar.certificate(agent).split()
    blob = bytearray(base64.b64decode(line[1]))
    blob[-1] ^= 1
    return f"{line[0]} {base64.b64encode(bytes(blob)).decode()}\n"


LIES = {
    "another key": (other_key, "key"),
    "no principals": (lambda l, a: l.certificate(a, principals=[]), "principal"),
    "other principals": (lambda l, a: l.certificate(a, principals=["mallory"]), "mallory"),
    "more principals": (lambda l, a: l.certificate(a, principals=[me(), "mallory"]), "mallory"),
    "a window in the past": (lambda l, a: l.certificate(a, validity="-2h:-1h"), "valid"),
    "a window in the future": (lambda l, a: l.certificate(a, validity="+1h:+2h"), "valid"),
    "a host certificate": (lambda l, a: l.certificate(a, host=True, options=[]), "host"),
    "much too long": (lambda l, a: l.certificate(a, validity="-10s:+520w"), "valid"),
    "a broken signature": (forged, "signature"),
    "no certificate": (lambda l, a: "ssh-ed25519 AAAA\n", "certificate"),
    "words": (lambda l, a: "come back tomorrow", "certificate"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused(liar, lie):
    liar, agent = liar
    tell, words = LIES[lie]
    liar.fake.answers[SIGN] = answer(tell(liar, agent))
    with agent:
        fault = wait_for(agent.log, lambda: agent.cert("web")["error"])
        assert agent.list_blobs() == []
    assert words in fault["text"], fault["text"]


def test_a_lie_does_not_cost_the_working_certificate(liar):
    liar, agent = liar
    liar.fake.answers[SIGN] = answer(liar.certificate(agent, serial=7))
    with agent:
        assert agent.wait_active("web")["serial"] == "7"
        liar.fake.answers[SIGN] = answer(other_key(liar, agent))
        done = agent.holdfast("renew", "web", check=False)
        assert done.returncode == 1 and "key" in done.stderr
        assert agent.cert("web")["serial"] == "7" and len(agent.list_blobs()) == 1
        liar.ca = keygen(liar.bench.folder / "stolen-place")  # another CA: the first one is pinned
        liar.fake.answers[SIGN] = answer(liar.certificate(agent, serial=8))
        done = agent.holdfast("renew", "web", check=False)
        assert done.returncode == 1 and "CA" in done.stderr, done.stderr
        assert agent.cert("web")["serial"] == "7"
