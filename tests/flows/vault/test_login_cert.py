"""Login by TLS certificate with a key that holdfast-vault has not got: against a real OpenBao, with
vault_probe in the place of agent and token."""

import json
import os
import signal
import socket
import time

import pytest

from stage.bao import Bao, BaoError, Ca, bao_program
from vault.login_keys import certify, new_key
from vault.probe import Probe
from vault.servers import FakeVault, Tunnel


@pytest.fixture(scope="module")
def client_ca(tmp_path_factory):
    return Ca(tmp_path_factory.mktemp("clients") / "root", "client CA")


@pytest.fixture(scope="module", params=["tls12", "tls13"])
def tls_bao(request):
    """A server that speaks one version of TLS."""
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with Bao(listener={"tls_max_version": request.param}) as bao:
        bao.tls_version = request.param
        yield bao


@pytest.fixture(scope="module")
def one_bao():
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with Bao() as bao:
        yield bao


def set_up(bao, client_ca, **role):
    bao.enable_ssh("ssh", "web", allowed_users="deploy", allowed_extensions="permit-pty")
    bao.allow_sign("ssh", "ssh/web")
    if "cert/" not in bao.api("GET", "sys/auth")["data"]:
        bao.api("POST", "sys/auth/cert", {"type": "cert"})
    bao.api("POST", "auth/cert/certs/agents",
            {"certificate": client_ca.path.read_text(), "token_policies": ["ssh"],
             "token_ttl": "20m", **role})


@pytest.fixture
def cert_bao(one_bao, client_ca):
    set_up(one_bao, client_ca)
    return one_bao


def settings(bao, key_file, cert_file, **more):
    return {"address": bao.address, "ca": bao.ca_path, "login": "cert", "login_role": "agents",
            "key_file": key_file, "cert_file": cert_file, **more}


@pytest.fixture
def login(cert_bao, client_ca, tmp_path):
    """Settings that log in."""
    key_file = new_key(tmp_path, "p256")
    return settings(cert_bao, key_file, certify(client_ca, key_file))


def logins(bao):
    """Accessors of the Vault tokens of the cert method: a set, as those of tests before may end."""
    found = set()
    for accessor in bao.api("LIST", "auth/token/accessors")["data"]["keys"]:
        try:
            token = bao.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})
        except BaoError:
            continue  # it ended between the two
        if token["data"]["path"] == "auth/cert/login":
            found.add(accessor)
    return found


@pytest.mark.parametrize("kind, scheme", [("p256", "ES256"), ("p384", "ES384"), ("rsa", "PS256")])
def test_each_kind_of_key_logs_in(tls_bao, client_ca, tmp_path, key, kind, scheme):
    set_up(tls_bao, client_ca)
    key_file = new_key(tmp_path, kind)
    before = logins(tls_bao)
    with Probe(settings(tls_bao, key_file, certify(client_ca, key_file))) as probe:
        for _ in range(10):
            probe.cert(key)
        # a run of renewals is one TLS handshake, and one login
        assert probe.ask("asked") == [{"server": "test", "key": "pkcs11:object=login",
                                       "scheme": scheme, "kind": tls_bao.tls_version}]
    assert len(logins(tls_bao) - before) == 1


def test_a_chain_comes_along(cert_bao, client_ca, tmp_path, key):
    middle_key = new_key(tmp_path / "middle", "p256", "ca")
    middle_cert = certify(client_ca, middle_key, "middle", is_ca=True)
    middle = Ca.__new__(Ca)
    middle.folder, middle.path, middle.key = tmp_path / "middle", middle_cert, middle_key
    key_file = new_key(tmp_path, "p256")
    leaf = certify(middle, key_file)
    with Probe(settings(cert_bao, key_file, leaf)) as probe:
        assert probe.error(key)["native"] == 400  # OpenBao knows only the root
    whole = tmp_path / "whole.pem"
    whole.write_text(leaf.read_text() + middle_cert.read_text())
    with Probe(settings(cert_bao, key_file, whole)) as probe:
        probe.cert(key)


def test_a_certificate_of_another_ca_is_refused_in_vaults_words(login, tmp_path, key):
    stranger = Ca(tmp_path / "stranger", "stranger")
    with Probe({**login, "cert_file": certify(stranger, login["key_file"])}) as probe:
        error = probe.error(key)
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "log in with a TLS certificate: Vault says: " in error["text"]


def test_a_role_that_is_not_ours_is_refused_in_vaults_words(login, key):
    with Probe({**login, "login_role": "others"}) as probe:
        error = probe.error(key)
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "Vault says: " in error["text"]


def test_no_role_is_any_role(login, key):
    with Probe({k: v for k, v in login.items() if k != "login_role"}) as probe:
        probe.cert(key)


def test_what_is_in_vain_is_not_sent(login, client_ca, tmp_path, key):
    other = new_key(tmp_path / "other", "p256")
    cases = [
        ({"cert_file": certify(client_ca, other)}, "the client certificate is for another key"),
        ({"cert_file": certify(client_ca, login["key_file"], days=-1)}, "ended at 20"),
        ({"cert_file": __file__}, "the client certificate cannot be read"),
    ]
    for change, words in cases:
        with Probe({**login, **change}) as probe:
            error = probe.error(key)
            assert error["code"] == "input" and words in error["text"], error
            assert probe.ask("asked") == []


def test_a_key_that_is_not_there_says_why(login, key):
    with Probe({**login, "problem": "token demo is not present"}) as probe:
        error = probe.error(key)
        assert probe.ask("asked") == []
    assert error["code"] == "not-found"
    assert "log in with a TLS certificate: token demo is not present" in error["text"]


def test_a_refused_signature_is_told_and_asked_for_once(login, key):
    with Probe(login) as probe:
        probe.ask("token", refuse="the token is gone")
        error = probe.error(key)
        assert error["code"] == "gone" and "the token is gone" in error["text"], error
        assert "pkcs11:object=login" in error["text"]
        assert len(probe.ask("asked")) == 1  # a touch is not asked for twice
        probe.ask("token", refuse="")
        until = time.monotonic() + 20
        while "error" in probe.sign(key):
            assert time.monotonic() < until
            time.sleep(0.2)


def test_a_killed_helper_logs_in_again(cert_bao, login, key):
    before = logins(cert_bao)
    with Probe(login) as probe:
        probe.cert(key)
        os.kill(probe.status()["pid"], signal.SIGKILL)
        until = time.monotonic() + 20
        while "error" in probe.sign(key):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert len(probe.ask("asked")) == 2
    assert len(logins(cert_bao) - before) == 2


def test_the_vault_token_is_renewed_over_the_same_connection(cert_bao, client_ca, login, key):
    set_up(cert_bao, client_ca, token_ttl="3s", token_policies=["ssh", "default"])
    before = logins(cert_bao)
    with Probe(login) as probe:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            probe.cert(key)
            time.sleep(0.2)
        assert len(probe.ask("asked")) == 1
    assert len(logins(cert_bao) - before) == 1


def test_many_requests_are_one_login(cert_bao, login, key):
    before = logins(cert_bao)
    with Probe(login) as probe:
        assert all("cert" in a for a in probe.sign_all(key, n=40))
        assert len(probe.ask("asked")) <= 4  # a connection for each worker at most
        assert all("cert" in a for a in probe.sign_all(key, n=40))
        assert len(probe.ask("asked")) <= 3
    assert len(logins(cert_bao) - before) == 1


def test_another_address_is_logged_in_to(login, key):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = f"https://127.0.0.1:{nobody.getsockname()[1]}"
    with Probe({**login, "address": dead, "more": login["address"]}) as probe:
        for _ in range(3):
            probe.cert(key)
        assert len(probe.ask("asked")) == 1


def test_the_check_logs_in_with_it(login, key):
    with Probe(login) as probe:
        steps = probe.ask("check", server="test", mount="ssh", role="web")
        assert [q["kind"] for q in probe.ask("asked")] == ["tls13"]
    assert steps and all(s.get("state") in ("ok", "warning", "skipped", None) for s in steps), steps
    assert "a TLS certificate" in json.dumps(steps)


def test_a_new_certificate_is_a_new_connection(login, client_ca, tmp_path, key):
    with Probe(login) as probe:
        probe.cert(key)
        assert len(probe.ask("asked")) == 1
        other = new_key(tmp_path / "other", "p384")
        changed = {**login, "key_file": other, "cert_file": certify(client_ca, other)}
        probe.ask("put", name="test", **changed)
        probe.cert(key)
        assert [q["scheme"] for q in probe.ask("asked")] == ["ES384"]


# --- what no real server does ---------------------------------------------------------------

LOGIN = "/v1/auth/cert/login"
GOOD = (200, {"Content-Type": "application/json"},
        json.dumps({"auth": {"client_token": "s.fake", "lease_duration": 1200}}).encode())


@pytest.fixture
def fake_login(client_ca, tmp_path):
    """Settings for a server with canned answers."""
    key_file = new_key(tmp_path, "p256")

    def make(fake):
        return settings(fake, key_file, certify(client_ca, key_file))
    return make


def test_a_login_without_our_signature_does_not_count(fake_login, tmp_path, key):
    with FakeVault(Ca(tmp_path / "ca")) as fake:
        fake.answers[LOGIN] = GOOD
        with Probe(fake_login(fake)) as probe:
            error = probe.error(key)
            assert probe.ask("asked") == []
    assert error["code"] == "denied"
    assert "without a signature by the key pkcs11:object=login" in error["text"]
    assert len(fake.asked(LOGIN)) == 1 and len(fake.requests) == 1  # its token is not used


def test_no_session_is_resumed(fake_login, client_ca, tmp_path, key):
    """The server gives tickets and closes each connection; each new one is signed for."""
    with FakeVault(Ca(tmp_path / "ca"), client_ca=client_ca.path) as fake:
        fake.answers[LOGIN] = (200, {"Connection": "close", **GOOD[1]}, GOOD[2])
        fake.answers["/v1/ssh/sign/web"] = (400, {"Connection": "close"}, b'{"errors": ["no"]}')
        with Probe(fake_login(fake)) as probe:
            for _ in range(3):
                assert probe.error(key)["native"] == 400
            assert len(probe.ask("asked")) == 4
    assert fake.connections == 4


def test_the_configured_proxy_is_used(login, key):
    with Tunnel() as tunnel:
        with Probe({**login, "proxy": tunnel.address}) as probe:
            for _ in range(3):
                probe.cert(key)
        assert tunnel.targets == [login["address"].removeprefix("https://")]
        with Probe({**login, "proxy": tunnel.address, "no_proxy": "127.0.0.1"}) as probe:
            probe.cert(key)
        assert len(tunnel.targets) == 1


def test_the_proxy_of_the_environment_is_used(login, key):
    with Tunnel() as tunnel:
        with Probe(login, env={"https_proxy": tunnel.address, "no_proxy": ""}) as probe:
            probe.cert(key)
        assert tunnel.targets == [login["address"].removeprefix("https://")]
        with Probe(login, env={"https_proxy": tunnel.address, "no_proxy": "127.0.0.1"}) as probe:
            probe.cert(key)
        assert len(tunnel.targets) == 1
