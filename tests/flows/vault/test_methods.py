"""Each way to log in, against a real OpenBao: it works, and when it does not, the words say why."""

import os
import pathlib

import pytest

from stage.bao import Ca, write_private
from stage.jwt import Issuer
from vault.probe import Probe
from vault.servers import FakeVault, KubernetesApi


def enable(bao, path, kind=None):
    if f"{path}/" not in bao.api("GET", "sys/auth")["data"]:
        bao.api("POST", f"sys/auth/{path}", {"type": kind or path})


def settings_of(bao, login, **more):
    return {"address": bao.address, "ca": bao.ca_path, "login": login, **more}


# --- a JWT in a file ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    return Issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def with_jwt(bao, issuer, tmp_path):
    enable(bao, "jwt")
    bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public_pem],
                                        "bound_issuer": issuer.name})
    bao.api("POST", "auth/jwt/role/agent", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": "agent", "token_policies": ["ssh"], "token_ttl": "20m"})
    return settings_of(bao, "jwt", login_role="agent",
                       jwt_file=write_private(tmp_path / "jwt", issuer.token() + "\n"))


def test_jwt(bao, with_jwt, key):
    with Probe(with_jwt) as probe:
        probe.cert(key)
    enable(bao, "team/oidc", "jwt")
    with Probe({**with_jwt, "login_mount": "team/oidc"}) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and "log in with a JWT: Vault says:" in error["text"]


@pytest.mark.parametrize("claims, words", [
    ({"lifetime_s": -400}, "expired"),
    ({"aud": "somebody else"}, "aud"),
    ({"sub": "mallory"}, "sub"),
    ({"iss": "https://other.example.org"}, "iss"),
], ids=["expired", "audience", "subject", "issuer"])
def test_a_jwt_that_vault_refuses(with_jwt, issuer, key, claims, words):
    write_private(with_jwt["jwt_file"], issuer.token(**claims))
    with Probe(with_jwt) as probe:
        error = probe.error(key)
        assert error["code"] == "denied" and error["native"] in (400, 403), error
        assert "Vault says:" in error["text"] and words in error["text"]
        write_private(with_jwt["jwt_file"], issuer.token())  # the next one that the provider writes
        probe.cert(key)


def test_a_jwt_of_another_key(with_jwt, tmp_path, key):
    (tmp_path / "other").mkdir()
    write_private(with_jwt["jwt_file"], Issuer(tmp_path / "other").token())
    with Probe(with_jwt) as probe:
        assert "Vault says:" in probe.error(key)["text"]


@pytest.mark.parametrize("change, code, words", [
    ({"login_role": "nobody"}, "denied", 'role "nobody"'),
    ({"login_mount": "nowhere"}, None, "Vault says:"),
    ({"jwt_file": "/nonexistent/jwt"}, "not-found", "/nonexistent/jwt"),
    ({"jwt_file": None}, "input", "no file of a JWT is configured"),
], ids=["role", "mount", "no file", "no setting"])
def test_a_jwt_login_that_is_configured_wrongly(with_jwt, key, change, code, words):
    settings = {k: v for k, v in {**with_jwt, **change}.items() if v is not None}
    with Probe(settings) as probe:
        error = probe.error(key)
    assert words in error["text"] and error["code"] == (code or error["code"])


@pytest.mark.parametrize("text", ["one\ntwo\n", "one two", "\n", "a\x01b", "ä"],
                         ids=["two lines", "space", "empty", "control", "no ascii"])
def test_a_jwt_file_that_holds_something_else(with_jwt, key, text):
    write_private(with_jwt["jwt_file"], text)
    with Probe(with_jwt) as probe:
        error = probe.error(key)
    assert error["code"] == "input" and str(with_jwt["jwt_file"]) in error["text"]


def test_a_jwt_that_others_can_read_is_not_used(with_jwt, key):
    os.chmod(with_jwt["jwt_file"], 0o644)
    with Probe(with_jwt) as probe:
        assert "chmod 600" in probe.error(key)["text"]


# --- a Kubernetes service account --------------------------------------------------------

@pytest.fixture
def kubernetes(tmp_path):
    with KubernetesApi(Ca(tmp_path / "kubernetes")) as api:
        yield api


@pytest.fixture
def with_kubernetes(bao, kubernetes, issuer, tmp_path):
    token = issuer.token(iss="kubernetes/serviceaccount", sub="system:serviceaccount:apps:agent", aud=["vault"],
                         **{"kubernetes.io": {"namespace": "apps", "serviceaccount": {
                             "name": "agent", "uid": "u-1"}}})
    kubernetes.known[token] = "apps:agent"
    enable(bao, "kubernetes")
    bao.api("POST", "auth/kubernetes/config", {
        "kubernetes_host": kubernetes.address, "kubernetes_ca_cert": kubernetes.ca.path.read_text(),
        "token_reviewer_jwt": issuer.token(), "disable_local_ca_jwt": True})
    bao.api("POST", "auth/kubernetes/role/agent", {
        "bound_service_account_names": ["agent"], "bound_service_account_namespaces": ["apps"],
        "token_policies": ["ssh"], "token_ttl": "20m"})
    file = tmp_path / "token"
    file.write_text(token)  # a kubelet's is readable by all in the pod, and has no final newline
    file.chmod(0o644)
    return settings_of(bao, "kubernetes", login_role="agent", jwt_file=file)


def test_kubernetes(kubernetes, with_kubernetes, key):
    with Probe(with_kubernetes) as probe:
        probe.cert(key)
    assert kubernetes.requests[0]["path"] == "/apis/authentication.k8s.io/v1/tokenreviews"


def test_a_service_account_that_the_cluster_does_not_know(kubernetes, with_kubernetes, key):
    kubernetes.known.clear()
    with Probe(with_kubernetes) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and error["native"] == 403
    assert "log in with a Kubernetes service account: Vault says:" in error["text"]


def test_a_service_account_that_the_role_is_not_for(bao, with_kubernetes, key):
    bao.api("POST", "auth/kubernetes/role/agent", {
        "bound_service_account_names": ["other"], "bound_service_account_namespaces": ["apps"],
        "token_policies": ["ssh"]})
    with Probe(with_kubernetes) as probe:
        assert "service account name not authorized" in probe.error(key)["text"]
    with Probe({**with_kubernetes, "login_role": "nobody"}) as probe:
        assert '"nobody"' in probe.error(key)["text"]


def test_outside_of_a_pod_there_is_no_service_account(with_kubernetes, key):
    default = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    if default.exists():
        pytest.skip("this is a pod")
    with Probe({k: v for k, v in with_kubernetes.items() if k != "jwt_file"}) as probe:
        error = probe.error(key)
    assert error["code"] == "not-found" and str(default) in error["text"]


def test_a_service_account_s_file_that_holds_something_else(with_kubernetes, key):
    for text in ("one\ntwo", "", "x" * 20000):
        pathlib.Path(with_kubernetes["jwt_file"]).write_text(text)
        with Probe(with_kubernetes) as probe:
            error = probe.error(key)
        assert error["code"] in ("input", "limit") and str(with_kubernetes["jwt_file"]) in error["text"]


# --- a user name and a password ----------------------------------------------------------

PASSWORD = "correct horse, Bätterie \"staple\""


@pytest.fixture
def with_userpass(bao, tmp_path):
    enable(bao, "userpass")
    bao.api("POST", "auth/userpass/users/alice", {"password": PASSWORD, "token_policies": ["ssh"]})
    return settings_of(bao, "userpass", user="alice",
                       password_file=write_private(tmp_path / "password", PASSWORD + "\n"))


def test_userpass(with_userpass, key):
    with Probe(with_userpass) as probe:
        probe.cert(key)


def test_in_a_namespace(bao, with_userpass, key):
    """The login, its mount and the SSH engine are the namespace's, and only there."""
    def api(path, body):
        bao.api("POST", path, body, namespace="team-a")
    bao.api("POST", "sys/namespaces/team-a", {})
    api("sys/mounts/ssh-a", {"type": "ssh"})
    api("ssh-a/config/ca", {"generate_signing_key": True})
    api("ssh-a/roles/web", {"key_type": "ca", "allow_user_certificates": True,
                            "allowed_users": "deploy"})
    api("sys/policies/acl/sign", {"policy": 'path "ssh-a/sign/web" { capabilities = ["update"] }'})
    api("sys/auth/userpass", {"type": "userpass"})
    api("auth/userpass/users/alice", {"password": "another one", "token_policies": ["sign"]})
    with Probe({**with_userpass, "namespace": "team-a"}) as probe:
        assert "invalid username or password" in probe.error(key, mount="ssh-a")["text"]
        write_private(with_userpass["password_file"], "another one")
        probe.cert(key, mount="ssh-a")
        assert probe.error(key)["code"] in ("denied", "not-found")  # the mount of above


def test_a_wrong_password_and_its_correction(with_userpass, key):
    write_private(with_userpass["password_file"], "wrong")
    with Probe(with_userpass) as probe:
        error = probe.error(key)
        assert error["code"] == "denied" and "invalid username or password" in error["text"]
        assert "wrong" not in error["text"]
        write_private(with_userpass["password_file"], PASSWORD)
        probe.cert(key)


@pytest.mark.parametrize("change, words", [
    ({"user": "nobody"}, "invalid username or password"),
    ({"user": None}, "no user is configured"),
    ({"user": "a/../b"}, "segment"),
    ({"login_mount": "nowhere"}, "Vault says:"),
    ({"password_file": None}, "no password file is configured"),
    ({"password_file": "/nonexistent/password"}, "/nonexistent/password"),
], ids=["user", "no user", "path", "mount", "no setting", "no file"])
def test_a_user_login_that_is_configured_wrongly(with_userpass, key, change, words):
    settings = {k: v for k, v in {**with_userpass, **change}.items() if v is not None}
    with Probe(settings) as probe:
        assert words in probe.error(key)["text"]


def test_a_password_file_of_two_lines(with_userpass, key):
    write_private(with_userpass["password_file"], "one\ntwo\n")
    with Probe(with_userpass) as probe:
        error = probe.error(key)
    assert error["code"] == "input" and "is not one line" in error["text"]


# --- tokens ------------------------------------------------------------------------------

def test_the_token_that_vaults_own_program_left_at_home(bao, tmp_path, key):
    env = {"HOME": str(tmp_path)}
    with Probe(settings_of(bao, "token"), env=env) as probe:
        error = probe.error(key)
        assert error["code"] == "not-found" and str(tmp_path / ".vault-token") in error["text"]
        write_private(tmp_path / ".vault-token", bao.token(["ssh"]))
        probe.cert(key)


def wrapped_token(bao, **options):
    return bao.api("POST", "auth/token/create", {"policies": ["ssh"], **options},
                   wrap_ttl="5m")["wrap_info"]["token"]


@pytest.fixture
def with_wrapped(bao, tmp_path):
    file = write_private(tmp_path / "wrapped", wrapped_token(bao))
    return settings_of(bao, "token", token_file=file, token_wrapped=1)


def test_a_wrapped_token_is_unwrapped_once(with_wrapped, key):
    with Probe(with_wrapped) as probe:
        probe.cert(key)
        probe.ask("put", **{**with_wrapped, "name": "test", "request_timeout_ms": 9000})
        probe.cert(key)  # what it gave is remembered
    with Probe(with_wrapped) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and "somebody else has the token" in error["text"]


def test_a_wrapped_token_of_few_uses(bao, with_wrapped, key):
    write_private(with_wrapped["token_file"], wrapped_token(bao, num_uses=1))
    with Probe(with_wrapped) as probe:
        probe.cert(key)  # no question was asked with it before
        assert probe.error(key)["native"] == 403


def test_a_wrapped_token_of_another_path(bao, with_wrapped, key):
    evil = bao.api("POST", "sys/wrapping/wrap", {"auth": {"client_token": "evil"}}, wrap_ttl="5m")
    write_private(with_wrapped["token_file"], evil["wrap_info"]["token"])
    with Probe(with_wrapped) as probe:
        error = probe.error(key)
    assert error["code"] == "denied" and '"sys/wrapping/wrap"' in error["text"]
    with Probe({**with_wrapped, "wrapping_path": "auth/token/create/agent"}) as probe:
        write_private(with_wrapped["token_file"], wrapped_token(bao))
        assert "not by auth/token/create/agent" in probe.error(key)["text"]


# --- the server's certificate, for every method ------------------------------------------

@pytest.mark.parametrize("server, words", [
    ({"days": -1}, "certificate has expired"),
    ({"names": "DNS:vault.example.org"}, "127.0.0.1"),
], ids=["expired", "another name"])
def test_a_server_whose_certificate_is_not_good_gets_no_secret(with_userpass, tmp_path, key, server,
                                                              words):
    with FakeVault(Ca(tmp_path / "fake"), **server) as fake:
        with Probe({**with_userpass, "address": fake.address, "ca": fake.ca.path}) as probe:
            error = probe.error(key)
    assert (error["code"], error["native"]) == ("remote", 60) and words in error["text"]
    assert fake.requests == []
