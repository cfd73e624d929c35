"""Lessons of other projects' issue threads that a Vault client has to honour, each named after its
thread. Those about certificates in the agent are next to what they concern (see tests/README.md)."""

import json
import time

import pytest

from stage.agent import vault_signer, wait_for
from stage.bao import BaoError, write_private
from vault.agents import agent_with
from vault.probe import Probe

SIGN, LOOKUP, RENEW = "/v1/ssh/sign/web", "/v1/auth/token/lookup-self", "/v1/auth/token/renew-self"
SIGNED = (200, {}, b'{"data": {"signed_key": "a cert"}}')
DENIED = (403, {}, b'{"errors": ["permission denied"]}')


# --- 34: hashicorp/vault-secrets-operator#623 ---------------------------------------------
# SSH certificates have no lease, so a client that renews by lease_duration never renews them.

@pytest.mark.parametrize("lease", [0, 315360000])
def test_thread_34_renews_by_the_certificate_and_not_by_a_lease(bao, fake, place, lease):
    token = bao.token(["ssh"], ttl="1h")

    def sign(_):
        body = json.loads(fake.requests[-1]["body"])
        answer = bao.api("POST", "ssh/sign/web", body, token=token)
        return 200, {}, json.dumps({**answer, "lease_duration": lease}).encode()
    fake.answers[SIGN] = sign
    signer = vault_signer(bao, method="token", **{"token-file": str(write_private(place / "t", "s.f"))})
    signer["vault"].update({"address": fake.address, "ca-bundle": str(fake.ca.path)})
    with agent_with(place, signer, {"ttl": "6s"}) as agent:
        first = agent.wait_active("web")["serial"]
        wait_for(agent.log, lambda: agent.cert("web")["serial"] != first, 15)
        assert agent.cert("web")["state"] in ("active", "renewing")


# --- 35: hashicorp/vault#10676 -------------------------------------------------------------
# Every renewal of the token issued all certificates anew.

def test_thread_35_a_token_that_is_renewed_or_replaced_issues_nothing(bao, place):
    role = bao.enable_approle("thread-35", policies=["ssh", "default"], token_ttl="3s",
                              token_max_ttl="5s")
    (place / "role-id").write_text(role.role_id)
    signer = vault_signer(bao, method="approle", **{
        "role-id-file": str(place / "role-id"),
        "secret-id-file": str(write_private(place / "secret-id", role.secret_id()))})
    before = set(bao.api("LIST", "auth/token/accessors")["data"]["keys"])
    with agent_with(place, signer, {}, busy={"ttl": "6s"}) as agent:
        serial, busy = agent.wait_active("web")["serial"], agent.wait_active("busy")["serial"]
        seen = set()
        until = time.monotonic() + 12
        while time.monotonic() < until:
            seen |= set(bao.api("LIST", "auth/token/accessors")["data"]["keys"]) - before
            time.sleep(0.2)
        assert len(seen) >= 2  # the token did change
        assert agent.cert("web")["serial"] == serial
        assert agent.cert("busy")["serial"] != busy  # which is what used the token


# --- 36: community.hashi_vault#388, platformsh/legacy-cli#1398 -------------------------------
# Parallel jobs raced for the same login and the same files.

def test_thread_36_parallel_requests_are_one_login(fake, with_fake, tmp_path, key):
    login = "/v1/auth/userpass/login/alice"

    def slow(_):
        time.sleep(0.5)
        return 200, {}, b'{"auth": {"client_token": "s.t", "lease_duration": 600}}'
    fake.answers.update({login: slow, SIGN: SIGNED})
    settings = {**with_fake, "login": "userpass", "user": "alice",
                "password_file": write_private(tmp_path / "password", "p")}
    with Probe(settings) as probe:
        assert all("cert" in a for a in probe.sign_all(key, n=30))
    assert len(fake.asked(login)) == 1


# --- 38: hashicorp/vault#10946, #2428, #10068, #6056 ----------------------------------------
# Nobody understood which principals a role allows, and the error was not Vault's.

def test_thread_38_vaults_error_is_shown_as_it_is(bao, with_token, key):
    body = {"public_key": key.read_text(), "valid_principals": "root"}
    with pytest.raises(BaoError) as refused:
        bao.api("POST", "ssh/sign/web", body)
    with Probe(with_token) as probe:
        text = probe.error(key, principals="root")["text"]
    for words in refused.value.errors:
        assert " ".join(words.split()) in text


def test_thread_38_what_a_role_allows_is_told(bao, with_token):
    bao.policy("look", 'path "ssh/roles/web" { capabilities = ["read"] }\n'
               'path "ssh/sign/web" { capabilities = ["update"] }')
    write_private(with_token["token_file"], bao.token(["look"]))
    with Probe() as probe:
        steps = probe.ask("check", name="candidate", mount="ssh", role="web", **with_token)
    facts = next(s for s in steps if s.get("step") == "engine")["facts"]
    assert facts["allowed_users"] == "deploy,alice"


# --- 39: GHSA-jg74-mwgw-v6x3, openbao#561 ---------------------------------------------------
# Without principals a certificate is good for every user, or since OpenSSH 10.3 for none.

def test_thread_39_principals_are_always_sent(fake, with_fake, key):
    fake.answers[SIGN] = SIGNED
    with Probe(with_fake) as probe:
        for principals in ("deploy", "deploy+alice"):
            probe.cert(key, principals=principals)
        assert probe.error(key, principals="")["code"] == "input"
    sent = [json.loads(r["body"])["valid_principals"] for r in fake.asked(SIGN)]
    assert sent == ["deploy", "deploy,alice"]


# --- 46: hashicorp/vault#26844, #22575, #20772, #3033; vault-secrets-operator#94 -------------
# No right to renew: a hot loop. One 403: the agent ended, or stayed refused until a restart.

def test_thread_46_no_right_to_renew_is_no_hot_loop(fake, with_fake, key):
    fake.answers.update({LOOKUP: (200, {}, b'{"data": {"ttl": 3, "renewable": true}}'),
                         SIGN: SIGNED, RENEW: DENIED})
    with Probe(with_fake) as probe:
        until = time.monotonic() + 8
        while time.monotonic() < until:
            assert "cert" in probe.sign(key) or "not tried again" in json.dumps(probe.sign(key))
    beside = [r for r in fake.requests if r["path"] != SIGN]
    assert len(fake.asked(SIGN)) > 50 and len(beside) <= 12


@pytest.mark.parametrize("interval", [0, 1])
def test_thread_46_by_interval_neither(fake, with_fake, key, interval):
    fake.answers.update({LOOKUP: (200, {}, b'{"data": {"ttl": 60, "renewable": true}}'),
                         SIGN: SIGNED, RENEW: DENIED})
    with Probe({**with_fake, "renew_interval_s": interval}) as probe:
        probe.cert(key)
        time.sleep(4)
        probe.cert(key)
    assert len(fake.asked(RENEW)) == interval and len(fake.requests) <= 6


def test_thread_46_a_403_ends_nothing_and_is_mended_without_a_restart(fake, with_fake, key):
    fake.answers.update({LOOKUP: (200, {}, b'{"data": {"ttl": 600}}'), SIGN: DENIED})
    with Probe(with_fake) as probe:
        pids = set()
        for _ in range(60):
            assert probe.error(key)["native"] == 403
            pids.add(probe.status()["pid"])
        assert len(fake.asked(LOOKUP)) <= 8  # it was doubted, and not with every request
        fake.answers[SIGN] = SIGNED
        probe.cert(key)
        assert len(pids) == 1 and probe.status()["restarts"] == 0
