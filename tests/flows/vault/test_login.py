"""Logins of holdfast-vault to a real OpenBao: when there is a new one, and when there is none."""

import os
import pathlib
import time

from stage.bao import write_private
from vault.probe import Probe

def tokens(bao):
    """The accessors of all tokens: a login adds one."""
    return set(bao.api("LIST", "auth/token/accessors")["data"]["keys"])


def sign_for(seconds, probe, key):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        probe.cert(key)
        time.sleep(0.2)


def test_many_requests_are_one_login(bao, with_approle, key):
    before = tokens(bao)
    with Probe(with_approle) as probe:
        answers = probe.sign_all(key, n=40)
    assert all("cert" in a for a in answers)
    assert len(tokens(bao) - before) == 1


def test_a_request_that_is_taken_back_is_not_answered(with_token, key):
    with Probe(with_token) as probe:
        assert probe.sign_all(key, command="cancel", n=10) == []
        probe.cert(key)


def test_a_wrong_secret_id_is_refused_in_vaults_words(with_approle, key):
    write_private(with_approle["secret_id_file"], "wrong")
    with Probe(with_approle) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and error["native"] == 400
    assert "log in with AppRole: Vault says: invalid role or secret ID" in error["text"]


def test_a_secret_id_that_others_can_read_is_not_used(with_approle, key):
    os.chmod(with_approle["secret_id_file"], 0o644)
    with Probe(with_approle) as probe:
        error = probe.error(key)
    assert error["code"] == "input" and "chmod 600" in error["text"]


def test_a_new_token_in_the_file_is_used(bao, with_token, key):
    with Probe(with_token) as probe:
        probe.cert(key)
        old = pathlib.Path(with_token["token_file"]).read_text().strip()
        bao.api("POST", "auth/token/revoke", {"token": old})
        assert probe.error(key)["native"] == 403
        write_private(with_token["token_file"], bao.token(["ssh"]))
        probe.cert(key)


def test_a_revoked_token_leads_to_a_new_login(bao, with_approle, key):
    with Probe(with_approle) as probe:
        probe.cert(key)
        for _ in range(2):  # again and again, as each new token works before it is revoked
            bao.api("POST", "sys/leases/revoke-prefix/auth/approle/login", {})
            for accessor in bao.api("LIST", "auth/token/accessors")["data"]["keys"]:
                token = bao.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})
                if token["data"]["path"] == "auth/approle/login":
                    bao.api("POST", "auth/token/revoke-accessor", {"accessor": accessor})
            probe.cert(key)


def test_a_refusal_by_policy_costs_one_login_and_is_mended(bao, with_approle, key):
    bao.policy("ssh", 'path "other" { capabilities = ["read"] }')
    before = tokens(bao)
    with Probe(with_approle) as probe:
        for _ in range(5):
            error = probe.error(key)
            assert (error["code"], error["domain"], error["native"]) == ("denied", "http", 403)
            assert "permission denied" in error["text"] and '"update"' in error["text"]
        assert len(tokens(bao) - before) == 2  # the first, and one to be sure
        assert probe.status()["state"] == "failing"
        bao.allow_sign("ssh", "ssh/web")
        probe.cert(key)
        status = probe.status()
        assert status["state"] == "ok" and status["last_error"] is None and status["has_ok"]
    assert len(tokens(bao) - before) == 2


def test_a_token_is_renewed_in_time_and_replaced_at_its_end(bao, with_approle, key):
    bao.enable_approle("agent", policies=["ssh", "default"], token_ttl="3s", token_max_ttl="5s")
    before = tokens(bao)
    with Probe(with_approle) as probe:
        sign_for(4, probe, key)  # beyond its 3 s, within its 5 s
        first = tokens(bao) - before
        assert len(first) == 1
        token = bao.api("POST", "auth/token/lookup-accessor", {"accessor": first.pop()})["data"]
        assert token["last_renewal_time"] > token["creation_time"]
        sign_for(4, probe, key)


def test_a_token_that_may_not_renew_itself_is_used_to_its_end(bao, with_approle, key):
    bao.enable_approle("agent", policies=["ssh"], token_ttl="3s", token_no_default_policy=True)
    with Probe(with_approle) as probe:
        sign_for(5, probe, key)


# --- wrapped secret ids ------------------------------------------------------------------

def wrapped(with_approle, token):
    write_private(with_approle["secret_id_file"], token)
    return {**with_approle, "wrapped": 1}


def test_a_wrapped_secret_id_is_unwrapped_once(bao, approle, with_approle, key):
    settings = wrapped(with_approle, approle.wrapped_secret_id())
    with Probe(settings) as probe:
        probe.cert(key)
        bao.api("POST", "sys/leases/revoke-prefix/auth/approle/login", {})
        probe.cert(key)  # with the secret id that it remembers
    with Probe(settings) as probe:
        error = probe.error(key)
    assert error["code"] == "denied"
    assert "has expired or has been unwrapped already" in error["text"]
    assert "somebody else has the secret id" in error["text"]
    assert "wrapping token is not valid or does not exist" in error["text"]


def test_a_new_wrapped_secret_id_replaces_a_used_one(approle, with_approle, key):
    settings = wrapped(with_approle, "s.used-long-ago")
    with Probe(settings) as probe:
        assert probe.error(key)["code"] == "denied"
        wrapped(with_approle, approle.wrapped_secret_id())
        probe.cert(key)


def test_a_wrapped_thing_of_another_path_is_not_unwrapped(bao, with_approle, key):
    token = bao.api("POST", "sys/wrapping/wrap", {"secret_id": "evil"}, wrap_ttl="5m")
    token = token["wrap_info"]["token"]
    with Probe(wrapped(with_approle, token)) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and '"sys/wrapping/wrap"' in error["text"]
    assert "auth/approle/role/<role>/secret-id" in error["text"]
    assert bao.api("POST", "sys/wrapping/unwrap", token=token)["data"]["secret_id"] == "evil"


def test_the_configured_creation_path_is_the_only_one(bao, approle, with_approle, key):
    other = bao.enable_approle("other", policies=["ssh"])
    path = "auth/approle/role/agent/secret-id"
    settings = wrapped(with_approle, other.wrapped_secret_id())
    with Probe({**settings, "wrapping_path": path}) as probe:
        assert f"not by {path}" in probe.error(key)["text"]
        wrapped(with_approle, approle.wrapped_secret_id())
        probe.cert(key)
