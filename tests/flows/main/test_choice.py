"""What a role gives and what it lets choose: extensions, counted by the server's audit device, and issuers."""

import pytest

from main.conftest import MOUNT
from stage.agent import wait_for
from stage.bao import Bao
from stage.sshd import me

MORE = {"permit-pty": "", "permit-agent-forwarding": "", "permit-user-rc": ""}
ROLES = {
    "open": {"default_extensions": MORE, "allowed_extensions": "permit-pty"},
    "strict": {"default_extensions": MORE, "allowed_extensions": ""},
    "plain": {"allowed_extensions": ""},  # what it gives by itself is no more
    "second": {"issuer_ref": "second"},
}
WORDS = ("its certificate of 'vault' has permit-agent-forwarding, permit-user-rc, which nobody asked "
         "for: its role gives its own extensions and lets nobody choose")


@pytest.fixture(scope="module")
def bao(place):
    with Bao(place / "bao", audited=True) as server:
        for role, options in ROLES.items():
            if "issuer_ref" in options:
                server.api("POST", f"{MOUNT}/issuers/import/{role}", {"generate_signing_key": True})
            server.enable_ssh(MOUNT, role, **{"allowed_users": me(), "ttl": "30m", **options})
        server.allow_sign("signer", *(f"{MOUNT}/{role}" for role in ROLES))
        yield server


@pytest.fixture
def start(bench):
    def start(role, **want):
        return bench.with_key(bench.agent([bench.identity(wants=[bench.want(role=role, **want)])]))
    return start


class Count:
    """How often a path is asked for from now on."""

    def __init__(self, bao):
        self.bao, self.before = bao, len(bao.audit_path.read_text().splitlines())

    def of(self, path):
        return sum(r["request"]["path"] == f"{MOUNT}/{path}" for r in self.bao.requests(self.before))


def error_of(agent):
    return wait_for(agent.log, lambda: agent.cert("web")["error"])["text"]


# --- extensions ---

def test_nothing_said_is_the_least(start, bao):
    count = Count(bao)
    with start("open") as agent:
        assert agent.wait_active("web")["extensions"] == {"permit-pty": ""}
        for _ in range(5):
            agent.holdfast("renew", "web")
        assert agent.cert("web")["extensions"] == {"permit-pty": ""}
        assert agent.identity("web")["warnings"] == [] and count.of("sign/open") == 6


def test_a_role_that_lets_nobody_choose_goes_on(start, bao):
    """It is asked twice once; what it gives beyond is told; and a restart knows who chose."""
    count = Count(bao)
    with start("strict") as agent:
        assert agent.wait_active("web")["extensions"] == MORE
        assert agent.identity("web")["warnings"] == [WORDS]
        assert WORDS in agent.holdfast("status").stdout
        for _ in range(20):
            agent.holdfast("renew", "web")
        assert count.of("sign/strict") == 1 + 21
        assert agent.log().count(WORDS) == 1
        serial = agent.cert("web")["serial"]
        agent.wait_cached("web")
        assert agent.stop() == 0
        agent.start()
        assert agent.wait_active("web")["serial"] == serial
        assert agent.identity("web")["warnings"] == [WORDS]
        assert count.of("sign/strict") == 1 + 21


def test_a_role_whose_own_are_the_least(start):
    with start("plain") as agent:
        assert agent.wait_active("web")["extensions"] == {"permit-pty": ""}
        assert agent.identity("web")["warnings"] == []


@pytest.mark.parametrize("role", ["strict", "open"])
def test_the_role_may_be_left_to_choose(start, bao, role):
    count = Count(bao)
    with start(role, extensions=["role"]) as agent:
        assert agent.wait_active("web")["extensions"] == MORE
        assert agent.identity("web")["warnings"] == [] and count.of(f"sign/{role}") == 1


def test_a_list_is_asked_for_and_nothing_else(start, bao):
    count = Count(bao)
    with start("strict", extensions=["permit-pty"]) as agent:
        assert "Vault says: extensions [permit-pty] are not on allowed list" in error_of(agent)
        assert agent.list_blobs() == [] and count.of("sign/strict") == 1


def test_what_stands_beside_role_is_an_error(start):
    agent = start("open")
    want = agent.settings["identities"][0]["certificates"][0]
    for wrong in (["role", "permit-pty"], []):
        want["extensions"] = wrong
        agent.write_config()
        agent.start(wait=False)
        assert agent._process.wait(20) != 0
        assert "extensions" in agent.log().splitlines()[-1], agent.log()


def test_a_standby_has_a_role_of_its_own(bench):
    want = bench.want(role="open", standby={"signer": "other", "mount": MOUNT, "role": "strict"})
    signers = [bench.signer(), {**bench.signer(), "name": "other"}]
    with bench.with_key(bench.agent([bench.identity(wants=[want])], signers)) as agent:
        agent.wait_active("web")
        agent.holdfast("renew", "web", "--standby")
        assert agent.cert("web")["extensions"] == MORE and agent.cert("web")["of_standby"]
        assert agent.identity("web")["warnings"] == [WORDS.replace("'vault'", "'other'")]
        agent.holdfast("renew", "web")
        assert agent.cert("web")["extensions"] == {"permit-pty": ""}
        assert agent.identity("web")["warnings"] == []


def test_a_standby_of_ones_own_gives_the_least_too(bench):
    """The built-in signer: permit-pty where its role gives that, else none; as the role gives, if asked."""
    roles = [{"name": "usual", "principals": [me()]},
             {"name": "other", "principals": [me()], "extensions": ["permit-user-rc"]}]
    signers = [bench.signer(), {"name": "own", "ca": {"key": f"{bench.token.uri};object=ca",
                                                      "roles": roles}}]
    wants = [bench.want(role="open", standby={"signer": "own", "role": "usual"}),
             {"signer": "own", "role": "other", "principals": [me()]},
             {"signer": "own", "role": "other", "principals": [me()], "extensions": ["role"]}]
    agent = bench.agent([bench.identity(f"i{n}", label="web", wants=[want])
                         for n, want in enumerate(wants)], signers)
    with bench.with_key(bench.with_key(agent), "ca"):
        agent.wait_active("i0")
        agent.holdfast("renew", "i0", "--standby")
        assert agent.cert("i0")["of_standby"]
        assert agent.cert("i0")["extensions"] == {"permit-pty": ""}
        assert agent.wait_active("i1")["extensions"] == {}
        assert agent.wait_active("i2")["extensions"] == {"permit-user-rc": ""}


# --- issuers ---

def test_the_issuer_that_is_named_signs(start, bao):
    count = Count(bao)
    with start("second", issuer="second") as agent:
        agent.wait_active("web")
        for _ in range(5):
            agent.holdfast("renew", "web")
        ours = agent.holdfast("vault", "ca", "vault", "--mount", MOUNT, "--issuer", "second").stdout
        assert ours.split()[1] not in bao.ssh_ca(MOUNT)
        assert count.of("issuer/second/public_key") == 2  # for six certificates, and for us


def test_another_issuer_is_refused_until_the_role_has_it(start, bao):
    bao.api("POST", f"{MOUNT}/issuers/import/third", {"generate_signing_key": True})
    with start("plain", issuer="third") as agent:
        text = error_of(agent)
        assert f"sign with {MOUNT}/sign/plain" in text
        assert 'the role "plain" signs with the CA SHA256:' in text
        assert 'not with the issuer "third", which is SHA256:' in text
        assert "set issuer_ref of the role to it" in text and agent.list_blobs() == []
        bao.enable_ssh(MOUNT, "plain", allowed_users=me(), ttl="30m", issuer_ref="third", **ROLES["plain"])
        agent.holdfast("renew", "web")
        agent.wait_active("web")


def test_an_issuer_that_is_not_there(start, bao):
    count = Count(bao)
    with start("plain", issuer="nobody") as agent:
        text = error_of(agent)
        assert 'the public key of the issuer "nobody"' in text
        assert "unable to find issuer for reference: nobody" in text
        assert count.of("sign/plain") == 0
