"""Servers that are sealed, stopped, slow, not the right one, or no Vault at all."""

import concurrent.futures
import json
import time

import pytest

from stage.bao import Bao, Ca, write_private
from vault.probe import Probe
from vault.servers import SilentServer

def test_a_sealed_server_is_named_and_comes_back(bao, with_token, key):
    with Probe(with_token) as probe:
        probe.cert(key)
        bao.seal()
        error = probe.error(key, deadline_ms=1500)
        assert (error["code"], error["domain"], error["native"]) == ("remote", "http", 503)
        assert "Vault is sealed" in error["text"] and "tries" in error["text"]
        with concurrent.futures.ThreadPoolExecutor() as pool:  # unsealed while a request waits
            answer = pool.submit(probe.sign, key)
            bao.unseal()
            assert "cert" in answer.result()


def test_a_server_of_another_ca_is_not_talked_to(with_token, tmp_path, key):
    other = Ca(tmp_path / "other")
    with Probe({**with_token, "ca": other.path}) as probe:
        error = probe.error(key)
    assert (error["code"], error["domain"], error["native"]) == ("remote", "curl", 60)
    assert str(other.path) in error["text"] and "must hold the CA" in error["text"]


def test_the_systems_cas_do_not_count_beside_a_bundle(bao, with_token, tmp_path, key):
    env = {"SSL_CERT_FILE": str(bao.ca_path)}
    settings = {k: v for k, v in with_token.items() if k != "ca"}
    with Probe(settings, env=env) as probe:
        probe.cert(key)  # the system's, as the environment says
    with Probe({**settings, "ca": Ca(tmp_path / "other").path}, env=env) as probe:
        assert probe.error(key)["native"] == 60


def test_a_missing_bundle_is_named(with_token, key):
    with Probe({**with_token, "ca": "/nonexistent/ca.pem"}) as probe:
        error = probe.error(key)
    assert error["code"] == "input" and "/nonexistent/ca.pem" in error["text"]


def test_a_stopped_server_comes_back(with_token, tmp_path, key):
    with Bao(tmp_path / "bao", persistent=True) as bao:
        bao.enable_ssh()
        file = write_private(tmp_path / "root", bao.root_token)
        with Probe({"address": bao.address, "ca": bao.ca_path, "token_file": file}) as probe:
            probe.cert(key)
            bao.stop()
            error = probe.error(key, deadline_ms=1500)
            assert (error["code"], error["domain"], error["native"]) == ("gone", "curl", 7)
            bao.start()
            probe.cert(key)


def test_a_server_that_hangs_costs_the_deadline_and_no_helper(bao, with_token, key):
    with Probe(with_token) as probe:
        probe.cert(key)
        before = probe.status()
        bao.pause()
        try:
            start = time.monotonic()
            error = probe.error(key, deadline_ms=1000)
            assert error["code"] == "timeout" and 0.9 < time.monotonic() - start < 2.5
        finally:
            bao.resume()
        probe.cert(key)
        after = probe.status()
        assert (after["pid"], after["restarts"]) == (before["pid"], before["restarts"])


def test_a_silent_server_holds_nobody_else(with_token, key):
    with SilentServer() as silent, Probe(
            {**with_token, "name": "silent", "address": silent.address},
            {**with_token, "name": "good"}) as probe:
        start = time.monotonic()
        assert probe.error(key, server=0, deadline_ms=1000)["code"] == "timeout"
        assert 0.9 < time.monotonic() - start < 2.5
        answers = probe.sign_all(key, server=0, n=6, also=1, deadline_ms=1500)
        assert "cert" in answers[0]  # the last one that was asked for
        assert [a["error"]["code"] for a in answers[1:]] == ["timeout"] * 6


def test_the_time_of_one_request_is_bounded(with_token, key):
    with SilentServer() as silent, Probe(
            {**with_token, "address": silent.address, "request_timeout_ms": 500}) as probe:
        start = time.monotonic()
        assert probe.error(key, deadline_ms=20000)["code"] == "timeout"
        assert 0.4 < time.monotonic() - start < 2


# --- answers that no Vault gives ---------------------------------------------------------

SIGN = "/v1/ssh/sign/web"


@pytest.mark.parametrize("body, words", [
    (b"<html>hello</html>", "not a JSON object"),
    (b"[]", "not a JSON object"),
    (b"{}", 'no "signed_key"'),
    (b'{"data": {"signed_key": 7}}', 'no "signed_key"'),
    (b'{"data": {"signed_key": "a\\u0000b"}}', "not a JSON object"),
    (b"", 'no "signed_key"'),
    (b"x" * 1048577, "longer than 1048576 bytes"),
], ids=["html", "list", "nothing", "number", "nul", "empty", "long"])
def test_other_answers_are_refused(fake, with_fake, key, body, words):
    fake.answers[SIGN] = (200, {}, body)
    with Probe(with_fake) as probe:
        error = probe.error(key)
    assert error["code"] == "protocol" and words in error["text"]
    assert len(fake.asked(SIGN)) == 1


def test_an_answer_of_200_mb_is_not_taken_in(fake, with_fake, key):
    fake.endless[SIGN] = 200_000_000
    with Probe(with_fake) as probe:
        error = probe.error(key)
        assert error["code"] == "protocol" and "longer than" in error["text"]
        with open(f"/proc/{probe.status()['pid']}/status") as f:
            peak_kb = next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))
    assert fake.sent < 50_000_000
    assert peak_kb < 400_000  # with the sanitizers' own


def test_what_is_sent(fake, with_fake, key):
    fake.answers[SIGN] = (200, {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"},
                          b'{"request_id": "r-1", "data": {"signed_key": "a cert"}}')
    with Probe({**with_fake, "namespace": "team/a"}) as probe:
        answer = probe.cert(key, ttl=90, extensions="permit-pty", key_id="k")
        probe.cert(key)
    assert answer["cert"] == "a cert" and answer["request_id"] == "r-1"
    assert abs(answer["skew_s"] + (time.time() - 978307200)) < 5
    first, second = fake.asked(SIGN)
    headers = first["headers"]
    assert headers["X-Vault-Token"] == "s.fake" and headers["X-Vault-Request"] == "true"
    assert headers["X-Vault-Namespace"] == "team/a"
    body = json.loads(first["body"])
    assert body.pop("public_key").startswith("ecdsa-sha2-nistp256 AAAA")
    assert body == {"valid_principals": "deploy", "cert_type": "user", "ttl": "90s", "key_id": "k",
                    "extensions": {"permit-pty": ""}}
    assert sorted(json.loads(second["body"])) == ["cert_type", "public_key", "valid_principals"]


def test_connections_are_reused(fake, with_fake, key):
    fake.answers[SIGN] = (200, {}, b'{"data": {"signed_key": "a cert"}}')
    with Probe(with_fake) as probe:
        for _ in range(30):
            probe.cert(key)
    assert len(fake.asked(SIGN)) == 30
    assert fake.connections == 1  # of a pool that the workers share


def test_a_limit_is_waited_for(fake, with_fake, key):
    fake.answers[SIGN] = [(429, {"Retry-After": "1"}, b""),
                          (200, {}, b'{"data": {"signed_key": "a cert"}}')]
    with Probe(with_fake) as probe:
        start = time.monotonic()
        probe.cert(key)
        assert time.monotonic() - start > 1
        fake.answers[SIGN] = (429, {"Retry-After": "3600"}, b"")
        error = probe.error(key)
        assert (error["code"], error["native"]) == ("busy", 429)
        assert "asks to be left alone for 1h: " in error["text"]
        asked = len(fake.requests)
        assert all("said when it was asked last" in a["error"]["text"]
                   for a in probe.sign_all(key, n=20))  # by all workers
        assert time.monotonic() - start < 5 and len(fake.requests) == asked
        fake.answers[SIGN] = (200, {}, b'{"data": {"signed_key": "a cert"}}')
        probe.ask("put", **{**with_fake, "name": "test"})  # whoever changes it wants to know
        probe.cert(key)


def test_a_redirect_is_shown_and_not_followed(fake, with_fake, key):
    fake.answers[SIGN] = (307, {"Location": fake.address + "/elsewhere"}, b"")
    with Probe(with_fake) as probe:
        error = probe.error(key)
    assert error["code"] == "remote" and "/elsewhere" in error["text"]
    assert fake.asked("/elsewhere") == []


def test_a_broken_server_is_asked_again(fake, with_fake, key):
    fake.answers[SIGN] = [(500, {}, b"oops"), (502, {}, b""),
                          (200, {}, b'{"data": {"signed_key": "a cert"}}')]
    with Probe(with_fake) as probe:
        probe.cert(key)
    assert len(fake.asked(SIGN)) == 3


def test_a_renewal_that_is_refused_is_not_asked_for_again(fake, with_fake, key):
    fake.answers["/v1/auth/token/lookup-self"] = (
        200, {}, b'{"data": {"ttl": 3, "renewable": true}}')
    fake.answers[SIGN] = (200, {}, b'{"data": {"signed_key": "a cert"}}')
    renewals = "/v1/auth/token/renew-self"
    with Probe(with_fake) as probe:
        until = time.monotonic() + 30
        while not fake.asked(renewals) and time.monotonic() < until:
            probe.cert(key)
        for _ in range(10):  # well before the token's end at 2.7 s: renewing began at 2 s
            probe.cert(key)
    assert len(fake.asked(renewals)) == 1


def test_an_unwrapping_is_never_repeated(fake, with_fake, tmp_path, key):
    fake.answers["/v1/sys/wrapping/lookup"] = (
        200, {}, b'{"data": {"creation_path": "auth/approle/role/r/secret-id"}}')
    fake.answers["/v1/sys/wrapping/unwrap"] = (500, {}, b"")
    files = {"role_id_file": write_private(tmp_path / "r", "r"),
             "secret_id_file": write_private(tmp_path / "s", "s.wrap"), "wrapped": 1}
    with Probe({**with_fake, "login": "approle", **files}) as probe:
        assert probe.error(key)["native"] == 500
    assert len(fake.asked("/v1/sys/wrapping/unwrap")) == 1
