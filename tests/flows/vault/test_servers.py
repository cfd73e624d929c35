"""Servers that come and go while the agent runs; several addresses, other names, renewal by interval."""

import os
import signal
import time

import pytest

from stage.bao import Bao, Ca, write_private
from vault.probe import Probe
from vault.servers import FakeVault, SilentServer

NOWHERE = "https://127.0.0.1:9"


def test_no_servers_need_no_helper(with_token, key):
    with Probe() as probe:
        assert probe.ask("status") == []
        assert probe.ask("put", name="late", **with_token) == ["late"]
        assert probe.status()["pid"] == 0
        probe.cert(key, server="late")
        assert probe.status()["pid"] > 0


def test_a_server_is_added_to_a_running_helper(with_token, with_approle, key):
    with Probe({**with_token, "name": "one"}) as probe:
        probe.cert(key)
        pid = probe.status()["pid"]
        assert probe.ask("put", name="two", **with_approle) == ["one", "two"]
        assert all("cert" in a for a in probe.sign_all(key, server="two", n=20))
        assert (probe.status()["pid"], probe.status()["restarts"]) == (pid, 0)


def test_a_replaced_server_keeps_its_signer(bao, with_token, tmp_path, key):
    with Probe({**with_token, "name": "one", "address": NOWHERE}) as probe:
        assert probe.error(key, deadline_ms=500)["code"] == "gone"
        assert probe.ask("put", name="one", **with_token) == ["one"]
        probe.cert(key)  # by the pointer of before
        assert probe.status()["address"] == with_token["address"]


def test_requests_under_way_finish_with_the_old_configuration(with_token, key):
    with Probe({**with_token, "name": "one"}) as probe:
        answers = probe.sign_all(key, n=30, then="put", **{**with_token, "name": "one",
                                                           "address": NOWHERE})
        assert all("cert" in a for a in answers) and len(answers) == 30
        assert probe.error(key, deadline_ms=500)["code"] == "gone"


def test_a_removed_server_answers_what_is_open(with_token, key):
    with SilentServer() as silent, Probe(
            {**with_token, "name": "one", "address": silent.address},
            {**with_token, "name": "two"}) as probe:
        start = time.monotonic()
        answers = probe.sign_all(key, n=6, then="remove", name="one")
        assert time.monotonic() - start < 5
        assert [a["error"]["code"] for a in answers] == ["gone"] * 6
        assert "vault one was removed" in answers[0]["error"]["text"]
        assert probe.ask("remove", name="two") == []


def test_servers_come_and_go_many_times(with_token, key):
    with Probe() as probe:
        for i in range(60):
            probe.ask("put", name=f"n{i % 3}", **with_token)
            probe.cert(key, server=f"n{i % 3}")
            if i % 5 == 4:
                probe.ask("remove", name=f"n{i % 3}")
        assert probe.status()["restarts"] == 0


def test_a_new_helper_gets_what_was_put(bao, with_token, key):
    settings = {k: v for k, v in with_token.items() if k != "token_file"}
    with Probe(env={"PROBE_TOKEN": bao.token(["ssh"])}) as probe:
        probe.ask("put", name="late", token_env="PROBE_TOKEN", **settings)
        probe.cert(key, server="late")
        os.kill(probe.status()["pid"], signal.SIGKILL)
        until = time.monotonic() + 30
        while "cert" not in probe.sign(key, server="late") and time.monotonic() < until:
            pass
        probe.cert(key, server="late")
        assert probe.status()["restarts"] == 1


def test_a_wrapped_secret_id_serves_a_replaced_server_too(approle, with_approle, key):
    write_private(with_approle["secret_id_file"], approle.wrapped_secret_id())
    settings = {**with_approle, "name": "one", "wrapped": 1}
    with Probe(settings) as probe:
        probe.cert(key)
        probe.ask("put", **settings)
        probe.cert(key)


@pytest.mark.parametrize("change, code", [({"address": ""}, "input"), ({"ca_pem": "/dev/null"}, "input")])
def test_what_cannot_be_put_changes_nothing(with_token, key, change, code):
    with Probe({**with_token, "name": "one"}) as probe:
        answer = probe.ask("put", **{**with_token, "name": "one", **change})
        assert answer[0]["error"]["code"] == code and answer[1:] == ["one"]
        probe.cert(key)


def test_at_most_64_servers():
    with Probe() as probe:
        for i in range(64):
            names = probe.ask("put", name=f"n{i}", address=NOWHERE)
            assert len(names) == i + 1
        answer = probe.ask("put", name="one-more", address=NOWHERE)
        assert answer[0]["error"]["code"] == "limit" and len(answer) == 65
        assert len(probe.ask("put", name="n3", address=NOWHERE)) == 64  # replacing is no adding


# --- the CA, the name, the addresses -----------------------------------------------------

def test_a_ca_certificate_as_text(bao, with_token, tmp_path, key):
    settings = {k: v for k, v in with_token.items() if k != "ca"}
    with Probe({**settings, "ca_pem": bao.ca_path}) as probe:
        probe.cert(key)
    with Probe({**settings, "ca_pem": Ca(tmp_path / "other").path}) as probe:
        error = probe.error(key)
        assert error["native"] == 60 and "configured CA certificate" in error["text"]
    # neither the system's beside it, nor a connection of somebody else
    with Probe({**settings, "ca_pem": Ca(tmp_path / "third").path},
               {**with_token, "name": "good"}, env={"SSL_CERT_FILE": str(bao.ca_path)}) as probe:
        probe.cert(key, server=1)
        assert probe.error(key, server=0)["native"] == 60
    junk = write_private(tmp_path / "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n")
    with Probe({**settings, "ca_pem": junk}) as probe:
        error = probe.error(key)
        assert error["code"] == "input" and "holds no PEM certificate" in error["text"]


def test_another_name_for_the_server(bao, with_token, key):
    with Probe({**with_token, "server_name": "localhost"}) as probe:
        probe.cert(key)
    with Probe({**with_token, "server_name": "vault.example.org"}) as probe:
        error = probe.error(key)
        assert error["native"] == 60 and "vault.example.org" in error["text"]
    with Probe({**with_token, "server_name": "a b"}) as probe:
        assert probe.error(key)["code"] == "input"


def test_the_name_is_sent_as_sni_and_verified(tmp_path, with_token, key):
    ca = Ca(tmp_path / "fake")
    with FakeVault(ca, names="DNS:vault.example.org") as fake:
        fake.answers["/v1/ssh/sign/web"] = (200, {}, b'{"data": {"signed_key": "a cert"}}')
        settings = {**with_token, "address": fake.address, "ca": ca.path}
        with Probe({**settings, "server_name": "vault.example.org"}) as probe:
            probe.cert(key)
        assert fake.sni == ["vault.example.org"]
        with Probe(settings) as probe:
            assert probe.error(key)["native"] == 60  # it is not for 127.0.0.1


def test_the_next_address_is_asked_and_kept(bao, with_token, tmp_path, key):
    with FakeVault(Ca(tmp_path / "fake")) as fake:  # of another CA, so never talked to
        settings = {**with_token, "address": NOWHERE, "more": f"{fake.address}+{bao.address}"}
        with Probe(settings) as probe:
            probe.cert(key)
            tried = fake.connections
            for _ in range(10):
                probe.cert(key)
        assert fake.requests == [] and tried == 1
        assert fake.connections == tried  # it stays with the good one


def test_a_sealed_address_is_passed_over(with_token, bao, tmp_path, key):
    with Bao(tmp_path / "bao") as other:
        other.seal()
        pem = tmp_path / "both.pem"
        pem.write_text(bao.ca_path.read_text() + other.ca_path.read_text())
        settings = {**with_token, "ca": pem, "address": other.address, "more": bao.address}
        with Probe(settings) as probe:
            start = time.monotonic()
            probe.cert(key)
            assert time.monotonic() - start < 1.5
        with Probe({**settings, "more": NOWHERE}) as probe:
            error = probe.error(key, deadline_ms=1000)
            assert "none of 2 addresses is of use" in error["text"]


def test_an_address_that_hangs_is_passed_over(with_token, key):
    with SilentServer() as silent, Probe(
            {**with_token, "address": silent.address, "more": with_token["address"]}) as probe:
        start = time.monotonic()
        probe.cert(key)
        assert 2.5 < time.monotonic() - start < 6  # 3 s are for connecting, TLS and all
        start = time.monotonic()
        probe.cert(key)
        assert time.monotonic() - start < 1


def test_when_the_good_one_goes_the_others_are_asked(bao, with_token, tmp_path, key):
    with Bao(tmp_path / "bao") as other:
        pem = tmp_path / "both.pem"
        pem.write_text(bao.ca_path.read_text() + other.ca_path.read_text())
        with Probe({**with_token, "ca": pem, "address": bao.address, "more": other.address}) as probe:
            probe.cert(key)
            bao.seal()
            try:
                # the other is no node of the same cluster, so it knows no such token
                assert probe.error(key)["native"] == 403
            finally:
                bao.unseal()


# --- renewal by interval -----------------------------------------------------------------

RENEW, LOOKUP = "/v1/auth/token/renew-self", "/v1/auth/token/lookup-self"


@pytest.fixture
def fake(fake):
    fake.answers["/v1/ssh/sign/web"] = (200, {}, b'{"data": {"signed_key": "a cert"}}')
    fake.answers[LOOKUP] = (200, {}, b'{"data": {"ttl": 3, "renewable": true}}')
    fake.answers[RENEW] = (
        200, {}, b'{"auth": {"client_token": "s.t", "lease_duration": 3, "renewable": true}}')
    return fake


def wait_for(what, seconds=20):
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.05)
    assert what()


def test_a_token_is_renewed_by_interval_without_being_used(fake, with_fake, key):
    with Probe({**with_fake, "renew_interval_s": 1}) as probe:
        probe.cert(key)
        begun = time.monotonic()
        wait_for(lambda: len(fake.asked(RENEW)) >= 4)
        assert time.monotonic() - begun > 2.9  # not more often either
        assert len(fake.asked(LOOKUP)) == 1
        probe.ask("remove", name="test")
        asked = len(fake.asked(RENEW))
        time.sleep(1.5)
        assert len(fake.asked(RENEW)) <= asked + 1  # one may have been under way


def test_an_interval_of_0_is_never(fake, with_fake, key):
    with Probe({**with_fake, "renew_interval_s": 0}) as probe:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            probe.cert(key)
            time.sleep(0.1)
    assert fake.asked(RENEW) == []
    assert len(fake.asked(LOOKUP)) > 1  # logged in again at its end


def test_a_real_token_lives_on_by_its_interval(bao, with_approle, key):
    bao.enable_approle("agent", policies=["ssh", "default"], token_ttl="3s", token_max_ttl="1h")
    with Probe({**with_approle, "renew_interval_s": 1}) as probe:
        probe.cert(key)
        before = set(bao.api("LIST", "auth/token/accessors")["data"]["keys"])
        time.sleep(5)
        probe.cert(key)
        assert not set(bao.api("LIST", "auth/token/accessors")["data"]["keys"]) - before


def test_a_root_token_demands_an_interval_of_0(bao, with_token, key):
    write_private(with_token["token_file"], bao.root_token)
    with Probe({**with_token, "renew_interval_s": 60}) as probe:
        error = probe.error(key)
        assert error["code"] == "input"
        assert "with a root token the renewal interval must be 0" in error["text"]
        probe.ask("put", name="test", renew_interval_s=0, **with_token)
        probe.cert(key)
    with Probe(with_token) as probe:
        probe.cert(key)
