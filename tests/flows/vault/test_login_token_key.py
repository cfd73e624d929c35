"""Login with a JWT signed by a key that holdfast-vault has not got: against a real OpenBao, with
vault_probe in the place of agent and token."""

import base64
import email.utils
import json
import time

import pytest

from vault.login_keys import KINDS, new_key, public_pem
from vault.probe import Probe

AUDIENCE, SUBJECT = "https://vault.example.org", "host.example.org"


@pytest.fixture
def jwt_bao(bao):
    """The server, and a way to tell it which keys it trusts."""
    if "jwt/" not in bao.api("GET", "sys/auth")["data"]:
        bao.api("POST", "sys/auth/jwt", {"type": "jwt"})

    def trust(*keys, issuer="holdfast", **role):
        bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public_pem(k) for k in keys],
                                            "bound_issuer": issuer})
        bao.api("POST", "auth/jwt/role/agents",
                {"role_type": "jwt", "user_claim": "sub", "bound_subject": SUBJECT,
                 "bound_audiences": [AUDIENCE], "token_policies": ["ssh"], "token_ttl": "20m",
                 **role})
    bao.trust_jwt = trust
    return bao


def settings(bao, key_file, **more):
    return {"address": bao.address, "ca": bao.ca_path, "login": "token-key",
            "login_role": "agents", "key_file": key_file, "subject": SUBJECT,
            "audience": AUDIENCE, **more}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_logs_in(jwt_bao, tmp_path, key, kind):
    key_file = new_key(tmp_path, kind)
    jwt_bao.trust_jwt(key_file)
    with Probe(settings(jwt_bao, key_file)) as probe:
        for _ in range(5):
            probe.cert(key)
        assert probe.ask("asked") == [{"server": "test", "key": "pkcs11:object=login",
                                       "scheme": KINDS[kind][1], "kind": "jwt"}]


def test_a_key_that_vault_does_not_know_is_refused_in_its_words(jwt_bao, tmp_path, key):
    key_file, other = new_key(tmp_path, "p256"), new_key(tmp_path / "other", "p256")
    jwt_bao.trust_jwt(other)
    with Probe(settings(jwt_bao, key_file)) as probe:
        error = probe.error(key)
        assert len(probe.ask("asked")) == 1
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "Vault says: " in error["text"] and "signature" in error["text"]


@pytest.mark.parametrize("wrong", [{"subject": "other"}, {"audience": "other"},
                                   {"issuer": "other"}, {"login_role": "other"}])
def test_claims_that_do_not_fit_are_refused_in_vaults_words(jwt_bao, tmp_path, key, wrong):
    key_file = new_key(tmp_path, "p256")
    jwt_bao.trust_jwt(key_file)
    with Probe(settings(jwt_bao, key_file, **wrong)) as probe:
        error = probe.error(key)
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "log in with a JWT of the token's key: Vault says: " in error["text"]


def test_an_issuer_of_ones_own(jwt_bao, tmp_path, key):
    key_file = new_key(tmp_path, "p256")
    jwt_bao.trust_jwt(key_file, issuer="https://agents.example.org")
    with Probe(settings(jwt_bao, key_file, issuer="https://agents.example.org")) as probe:
        probe.cert(key)


def test_a_key_that_is_not_there_says_why(jwt_bao, tmp_path, key):
    key_file = new_key(tmp_path, "p256")
    with Probe(settings(jwt_bao, key_file, problem="token demo is not present")) as probe:
        error = probe.error(key)
        assert probe.ask("asked") == []
    assert error["code"] == "not-found" and "token demo is not present" in error["text"]


def test_a_refused_signature_is_told_and_asked_for_once(jwt_bao, tmp_path, key):
    key_file = new_key(tmp_path, "p256")
    jwt_bao.trust_jwt(key_file)
    with Probe(settings(jwt_bao, key_file)) as probe:
        probe.ask("token", refuse="the token is gone")
        error = probe.error(key)
        assert len(probe.ask("asked")) == 1
    assert error["code"] == "gone" and "the token is gone" in error["text"]


# --- what is in a JWT -------------------------------------------------------------------------

LOGIN = "/v1/auth/jwt/login"
GOOD = {"auth": {"client_token": "s.fake", "lease_duration": 1200}}


def answer(status, body, ahead_s=0):
    """An answer of a server whose clock is ahead of ours."""
    return (status, {"Date": email.utils.formatdate(time.time() + ahead_s, usegmt=True)},
            json.dumps(body).encode())


def part(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def jwts(fake):
    """Header and claims of what was sent."""
    sent = [json.loads(r["body"])["jwt"].split(".") for r in fake.asked(LOGIN)]
    return [(part(header), part(claims)) for header, claims, _ in sent]


def test_a_jwt_lives_a_minute_and_is_made_for_one_login(fake, tmp_path, key):
    fake.answers[LOGIN] = answer(200, GOOD)
    key_file = new_key(tmp_path, "p384")
    for _ in range(2):
        with Probe(settings(fake, key_file)) as probe:
            probe.error(key)
    now = time.time()
    for header, claims in jwts(fake)[:2]:
        assert header == {"alg": "ES384", "typ": "JWT"}
        assert claims["iss"] == "holdfast" and claims["sub"] == SUBJECT
        assert claims["aud"] == AUDIENCE
        assert now - 80 < claims["iat"] == claims["nbf"] < now
        assert now < claims["exp"] <= now + 60
    assert len({claims["jti"] for _, claims in jwts(fake)}) == len(jwts(fake))
    assert all(len(claims["jti"]) == 32 for _, claims in jwts(fake))


@pytest.mark.parametrize("ahead_s", [3600, -3600])
def test_vaults_clock_counts(fake, tmp_path, key, ahead_s):
    no = answer(400, {"errors": ["token is expired (exp)"]}, ahead_s)
    fake.answers[LOGIN] = [no, answer(200, GOOD, ahead_s)]
    with Probe(settings(fake, new_key(tmp_path, "p256"))) as probe:
        probe.error(key)
        assert [q["kind"] for q in probe.ask("asked")][:2] == ["jwt", "jwt"]
    (_, first), (_, second) = jwts(fake)[:2]
    assert abs(first["exp"] - time.time() - 60) < 20
    assert abs(second["exp"] - time.time() - ahead_s - 60) < 20


def test_a_refusal_that_is_not_the_clocks_is_not_tried_again(fake, tmp_path, key):
    fake.answers[LOGIN] = answer(400, {"errors": ["no such role"]})
    with Probe(settings(fake, new_key(tmp_path, "p256"))) as probe:
        assert "no such role" in probe.error(key)["text"]
        assert len(probe.ask("asked")) == 1
