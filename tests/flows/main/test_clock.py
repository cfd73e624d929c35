"""A signer whose clock is another: it is shown, tolerated within a margin, and named beyond it."""

import datetime
import email.utils
import json
import time

import pytest

from stage.agent import wait_for
from stage.bao import Ca
from stage.sshd import certify, keygen, me, public
from main.test_lies import SIGN
from vault.servers import FakeVault


class AnotherClock(FakeVault):
    """A signer that is ahead of us by some seconds, in its Date header and in what it signs."""

    def __init__(self, folder, ahead_s):
        super().__init__(Ca(folder / "tls", "TLS CA"))
        self.folder, self.ahead_s, self.n = folder, ahead_s, 0
        self.signing = keygen(folder / "ca")
        self.answers.update({SIGN: self.sign, "/v1/auth/token/lookup-self": lambda _: (
            200, self.date(), b'{"data": {"ttl": 3600, "renewable": false}}')})

    def date(self):
        return {"Date": email.utils.formatdate(time.time() + self.ahead_s, usegmt=True)}

    def sign(self, _):
        self.n += 1
        path = self.folder / f"asked-{self.n}"
        public(path).write_text(json.loads(self.requests[-1]["body"])["public_key"] + "\n")
        span = [f"{datetime.datetime.now() + datetime.timedelta(seconds=s):%Y%m%d%H%M%S}"
                for s in (self.ahead_s, self.ahead_s + 300)]
        cert = certify(self.signing, path, principals=[me()], validity=":".join(span),
                       options=["clear", "permit-pty"])
        return 200, self.date(), json.dumps({"data": {"signed_key": cert.read_text()}}).encode()


@pytest.fixture
def agent_of(bench):
    def make(fake):
        signer = bench.signer("t.fake")
        signer["vault"].update({"address": fake.address, "ca-bundle": str(fake.ca.path)})
        return bench.with_key(bench.agent(signers=[signer]))
    return make


def warned(agent):
    return [w for w in agent.status()["warnings"] if "the clock of vault" in w]


@pytest.mark.parametrize("ahead_s", [0, 20])
def test_within_the_margin_it_is_used(bench, agent_of, ahead_s):
    with AnotherClock(bench.folder, ahead_s) as fake, agent_of(fake) as agent:
        agent.wait_active("web")
        assert len(agent.list_blobs()) == 1
        assert warned(agent) == []


def test_beyond_it_both_clocks_are_named(bench, agent_of):
    with AnotherClock(bench.folder, 7200) as fake, agent_of(fake) as agent:
        text = wait_for(agent.log, lambda: agent.cert("web")["error"])["text"]
        assert agent.list_blobs() == []
        at = [datetime.datetime.fromisoformat(word.rstrip(":;").replace("Z", "+00:00"))
              for word in text.split() if word.startswith("20") and "T" in word]
        theirs, ours = at[:2]
        assert 7100 < (theirs - ours).total_seconds() < 7200, text  # ours and the margin
        assert "do the clocks agree?" in text and "s ahead of ours" in text, text
        assert any("2h" in w and "ahead of ours" in w for w in warned(agent)), agent.status()
        assert "ahead of ours" in agent.holdfast("status").stdout


def test_behind_it_is_used_and_shown(bench, agent_of):
    """What is signed with a clock that is behind is valid already: it is only said."""
    with AnotherClock(bench.folder, -120) as fake, agent_of(fake) as agent:
        agent.wait_active("web")
        assert any("behind ours" in w for w in warned(agent)), agent.status()["warnings"]
