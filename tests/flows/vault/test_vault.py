"""holdfast-vault against a real OpenBao: what it signs, and what it says when it cannot.

Each test talks to vault_probe, which is the agent's client with the real helper behind it. Answers
that no real server gives come from the fakes at the end of servers.py.
"""

import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from stage.bao import Bao, BaoError, Ca, bao_program, write_private
from vault.servers import FakeVault, SilentServer

BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin"
pytestmark = pytest.mark.skipif(not bao_program(), reason="no bao program: run ./dev once")


class Probe:
    """One vault_probe: servers as dictionaries of settings, then sign() and status()."""

    def __init__(self, *servers, env=None):
        arguments = [",".join(f"{k}={v}" for k, v in {"name": "test", **s}.items()) for s in servers]
        self.process = subprocess.Popen(
            [BIN / "vault_probe", BIN / "holdfast-vault", *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        _, errors = self.process.communicate(timeout=60)
        if not failed:
            assert self.process.returncode == 0, errors
            assert "Sanitizer" not in errors and "runtime error" not in errors, errors

    def ask(self, command, **fields):
        line = ",".join([command, *(f"{k}={v}" for k, v in fields.items())])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def sign(self, key, **fields):
        return self.sign_all(key, **fields)[0]

    def sign_all(self, key, command="sign", **fields):
        return self.ask(command, **{"mount": "ssh", "role": "web", "principals": "deploy",
                                    "key": key, **fields})

    def cert(self, key, **fields):
        answer = self.sign(key, **fields)
        assert "cert" in answer, answer
        return answer

    def error(self, key, **fields):
        answer = self.sign(key, **fields)
        assert "error" in answer, answer
        return answer["error"]

    def status(self, server=0):
        return self.ask("status")[server]


def describe(cert):
    """What ssh-keygen -L says of a certificate."""
    return subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=cert, check=True, text=True,
                          capture_output=True).stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Public keys by type."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in {"p256": ["ecdsa", "-b", "256"], "p384": ["ecdsa", "-b", "384"],
                          "rsa": ["rsa", "-b", "2048"], "ed25519": ["ed25519"]}.items():
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / name, "-t", *options],
                       check=True)
    return {p.stem: p for p in folder.glob("*.pub")}


@pytest.fixture(scope="module")
def key(keys):
    return keys["p256"]


@pytest.fixture(scope="module")
def shared_bao():
    with Bao() as bao:
        yield bao


@pytest.fixture
def bao(shared_bao):
    """The server with the role and policy that most tests want, whatever a test before did."""
    if shared_bao.seal_status()["sealed"]:
        shared_bao.unseal()
    shared_bao.enable_ssh("ssh", "web", allowed_users="deploy,alice",
                          allowed_extensions="permit-pty", allow_user_key_ids=True)
    shared_bao.allow_sign("ssh", "ssh/web")
    return shared_bao


@pytest.fixture
def with_token(bao, tmp_path):
    """Settings of a server that is logged in to with a token of policy "ssh"."""
    file = write_private(tmp_path / "token", bao.token(["ssh"], ttl="1h") + "\n")
    return {"address": bao.address, "ca": bao.ca_path, "token_file": file}


@pytest.fixture
def approle(bao):
    return bao.enable_approle("agent", policies=["ssh"])


@pytest.fixture
def with_approle(bao, approle, tmp_path):
    role_id = tmp_path / "role-id"
    role_id.write_text(approle.role_id + "\n")
    return {"address": bao.address, "ca": bao.ca_path, "login": "approle", "role_id_file": role_id,
            "secret_id_file": write_private(tmp_path / "secret-id", approle.secret_id() + "\n")}


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa", "ed25519"])
def test_each_kind_of_key_is_signed(with_token, keys, kind):
    with Probe(with_token) as probe:
        answer = probe.cert(keys[kind])
    shown = describe(answer["cert"])
    assert "deploy" in shown and "user certificate" in shown and "permit-pty" in shown
    assert len(answer["request_id"]) == 36
    assert answer["has_skew"] and abs(answer["skew_s"]) <= 2


def test_all_that_is_asked_for_is_in_the_certificate(bao, with_token, key):
    bao.enable_ssh("ssh", "web", allowed_users="deploy,alice", allow_user_key_ids=True,
                   allowed_extensions="permit-pty,permit-user-rc", default_extensions={},
                   allowed_critical_options="force-command,source-address")
    with Probe(with_token) as probe:
        answer = probe.cert(key, principals="deploy+alice", ttl=600, key_id="holdfast-test",
                            critical="force-command:/bin/true+source-address:127.0.0.1/32",
                            extensions="permit-user-rc")
    shown = describe(answer["cert"])
    assert 'Key ID: "holdfast-test"' in shown
    for word in ("deploy", "alice", "force-command /bin/true", "source-address 127.0.0.1/32",
                 "permit-user-rc"):
        assert word in shown
    assert "permit-pty" not in shown


def test_host_certificates_in_a_mount_with_slashes(bao, tmp_path, key):
    bao.enable_ssh("team/ssh", "hosts", allow_user_certificates=False, allow_host_certificates=True,
                   allowed_domains="example.org", allow_subdomains=True, default_extensions={})
    bao.allow_sign("hosts", "team/ssh/hosts")
    file = write_private(tmp_path / "token", bao.token(["hosts"]))
    with Probe({"address": bao.address, "ca": bao.ca_path, "token_file": file}) as probe:
        answer = probe.cert(key, mount="/team/ssh/", role="hosts", kind="host",
                            principals="a.example.org")
    assert "host certificate" in describe(answer["cert"])


def test_a_token_from_the_environment_outlives_the_helper(bao, with_token, key):
    settings = {k: v for k, v in with_token.items() if k != "token_file"}
    with Probe({**settings, "token_env": "PROBE_TOKEN"},
               env={"PROBE_TOKEN": bao.token(["ssh"])}) as probe:
        probe.cert(key)
        before = probe.status()
        os.kill(before["pid"], signal.SIGKILL)
        # The probe notices on its next turn: a request that meets the death fails, as GONE.
        until = time.monotonic() + 30
        while "cert" not in (answer := probe.sign(key)) and time.monotonic() < until:
            assert answer["error"]["code"] == "gone"
        assert "cert" in answer
        assert probe.status()["pid"] != before["pid"]


def test_several_servers_behind_one_helper(with_token, with_approle, key):
    with Probe({**with_token, "name": "one"}, {**with_approle, "name": "two"}) as probe:
        probe.cert(key, server=0)
        probe.cert(key, server=1)
        assert [probe.status(i)["name"] for i in (0, 1)] == ["one", "two"]
        assert probe.status(0)["pid"] == probe.status(1)["pid"]


# --- logins ---------------------------------------------------------------------------------------


def logins(bao):
    """How many tokens there are."""
    return len(bao.api("LIST", "auth/token/accessors")["data"]["keys"])


def test_many_requests_are_one_login(bao, with_approle, key):
    before = logins(bao)
    with Probe(with_approle) as probe:
        answers = probe.sign_all(key, n=40)
    assert all("cert" in a for a in answers)
    assert logins(bao) == before + 1


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
    before = logins(bao)
    with Probe(with_approle) as probe:
        for _ in range(5):
            error = probe.error(key)
            assert (error["code"], error["domain"], error["native"]) == ("denied", "http", 403)
            assert "permission denied" in error["text"] and '"update"' in error["text"]
        assert logins(bao) == before + 2  # the first, and one to be sure
        assert probe.status()["state"] == "failing"
        bao.allow_sign("ssh", "ssh/web")
        probe.cert(key)
        status = probe.status()
        assert status["state"] == "ok" and status["last_error"] is None and status["has_ok"]
    assert logins(bao) == before + 2


def test_a_token_is_renewed_in_time_and_replaced_at_its_end(bao, with_approle, key):
    bao.enable_approle("agent", policies=["ssh", "default"], token_ttl="3s", token_max_ttl="5s")
    before = logins(bao)
    with Probe(with_approle) as probe:
        until = time.monotonic() + 4
        while time.monotonic() < until:  # beyond its 3 s, within its 5 s
            probe.cert(key)
            time.sleep(0.2)
        assert logins(bao) == before + 1
        until = time.monotonic() + 4
        while time.monotonic() < until:
            probe.cert(key)
            time.sleep(0.2)


def test_a_token_that_may_not_renew_itself_is_used_to_its_end(bao, with_approle, key):
    bao.enable_approle("agent", policies=["ssh"], token_ttl="3s", token_no_default_policy=True)
    with Probe(with_approle) as probe:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            probe.cert(key)
            time.sleep(0.2)


# --- wrapped secret ids ---------------------------------------------------------------------------


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
    with Probe({**wrapped(with_approle, other.wrapped_secret_id()), "wrapping_path": path}) as probe:
        assert f"not by {path}" in probe.error(key)["text"]
        wrapped(with_approle, approle.wrapped_secret_id())
        probe.cert(key)


# --- refusals -------------------------------------------------------------------------------------


def test_a_principal_that_the_role_refuses(with_token, key):
    with Probe(with_token) as probe:
        error = probe.error(key, principals="root")
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "Vault says: root is not a valid value for valid_principals" in error["text"]
    assert "vault test at https://127.0.0.1" in error["clauses"][0]


def test_an_extension_that_the_role_refuses(with_token, key):
    with Probe(with_token) as probe:
        error = probe.error(key, extensions="permit-pty+permit-X11-forwarding")
    assert (error["code"], error["native"]) == ("denied", 400)
    assert "extensions [permit-X11-forwarding] are not on allowed list" in error["text"]


def test_a_lifetime_that_the_role_refuses(with_token, key):
    with Probe(with_token) as probe:
        assert "ttl is larger than maximum allowed" in probe.error(key, ttl=864000)["text"]


def test_a_role_or_mount_that_is_not_there(bao, with_token, key):
    write_private(with_token["token_file"], bao.root_token)
    with Probe(with_token) as probe:
        error = probe.error(key, role="nobody")
        assert error["code"] == "not-found" and "Unknown role: nobody" in error["text"]
        error = probe.error(key, mount="nowhere")
        assert error["code"] == "not-found" and error["native"] == 404
        assert 'is the SSH engine mounted at "nowhere"?' in error["text"]


@pytest.mark.parametrize("fields", [{"mount": "ssh/../sys"}, {"mount": "a?b"}, {"role": "a#b"},
                                    {"role": "a/b"}, {"role": ".."}, {"mount": ""}, {"role": ""},
                                    {"principals": ""}])
def test_what_cannot_be_asked_is_not_asked(with_token, key, fields):
    with Probe(with_token) as probe:
        assert probe.error(key, **fields)["code"] == "input"


def test_an_issuer_of_ones_own_choice_is_not_to_be_had(with_token, key):
    with Probe(with_token) as probe:
        assert probe.error(key, issuer_ref="other")["code"] == "unsupported"


# --- servers in trouble ---------------------------------------------------------------------------


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
        assert probe.error(key, server=0, deadline_ms=700, n=6)["code"] == "timeout"
        probe.cert(key, server=1)


def test_the_time_of_one_request_is_bounded(with_token, key):
    with SilentServer() as silent, Probe(
            {**with_token, "address": silent.address, "request_timeout_ms": 500}) as probe:
        start = time.monotonic()
        assert probe.error(key, deadline_ms=20000)["code"] == "timeout"
        assert 0.4 < time.monotonic() - start < 2


# --- answers that no Vault gives ------------------------------------------------------------------


@pytest.fixture
def fake(tmp_path):
    with FakeVault(Ca(tmp_path / "fake")) as server:
        yield server


@pytest.fixture
def with_fake(fake, tmp_path):
    file = write_private(tmp_path / "fake-token", "s.fake")
    return {"address": fake.address, "ca": fake.ca.path, "token_file": file}


SIGN = "/v1/ssh/sign/web"


@pytest.mark.parametrize("body, words", [
    (b"<html>hello</html>", "not a JSON object"),
    (b"[]", "not a JSON object"),
    (b"{}", 'no "signed_key"'),
    (b'{"data": {"signed_key": 7}}', 'no "signed_key"'),
    (b'{"data": {"signed_key": "a\\u0000b"}}', "not a JSON object"),
    (b"", 'no "signed_key"'),
    (b"x" * 1048577, "longer than 1048576 bytes"),
])
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
    assert fake.connections <= 4  # one a worker


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
        assert time.monotonic() - start < 5


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


def test_an_unwrapping_is_never_repeated(fake, with_fake, tmp_path, key):
    fake.answers["/v1/sys/wrapping/lookup"] = (
        200, {}, b'{"data": {"creation_path": "auth/approle/role/r/secret-id"}}')
    fake.answers["/v1/sys/wrapping/unwrap"] = (500, {}, b"")
    files = {"role_id_file": write_private(tmp_path / "r", "r"),
             "secret_id_file": write_private(tmp_path / "s", "s.wrap"), "wrapped": 1}
    with Probe({**with_fake, "login": "approle", **files}) as probe:
        assert probe.error(key)["native"] == 500
    assert len(fake.asked("/v1/sys/wrapping/unwrap")) == 1


def test_the_client_needs_neither_curl_nor_tls():
    symbols = subprocess.run(["nm", "-D", BIN / "vault_probe"], check=True, text=True,
                             capture_output=True).stdout
    assert "EVP_" in symbols  # the listing is not empty
    assert not any(line.split()[-1].startswith(("curl_", "SSL_")) for line in symbols.splitlines())


def test_secrets_are_in_no_error_and_not_in_the_process_list(with_approle, with_token, key):
    secrets = [pathlib.Path(p).read_text().strip() for p in
               (with_approle["secret_id_file"], with_token["token_file"])]
    with Probe(with_token, with_approle) as probe:
        texts = [json.dumps(probe.error(key, server=i, principals="root")) for i in (0, 1)]
        pid = probe.status()["pid"]
        for file in ("cmdline", "environ"):
            texts.append(pathlib.Path(f"/proc/{pid}/{file}").read_text())
    for secret in secrets:
        assert not any(secret in text for text in texts)
