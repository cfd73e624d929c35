"""holdfast-vault against a real OpenBao: what it signs, and how it says that it may not."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from stage.bao import write_private
from vault.probe import BIN, Probe


def describe(cert):
    """What ssh-keygen -L says of a certificate."""
    return subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=cert, check=True, text=True,
                          capture_output=True).stdout

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


# --- refusals ----------------------------------------------------------------------------

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


# --- what a role lets choose ---------------------------------------------------------------

MORE = {"permit-pty": "", "permit-user-rc": ""}


@pytest.mark.parametrize("allowed, chose", [
    ("permit-pty", False), ("permit-user-rc,permit-pty", False), ("*", False), ("", True),
    ("permit-user-rc", True), ("permit-user-rc, permit-pty", True)])
def test_a_wish_is_granted_or_the_role_chooses(bao, with_token, key, allowed, chose):
    bao.enable_ssh("ssh", "web", allowed_users="deploy", default_extensions=MORE,
                   allowed_extensions=allowed)
    with Probe(with_token) as probe:
        for _ in range(3):
            answer = probe.cert(key, extensions="permit-pty", role_may_choose="yes")
            shown = describe(answer["cert"])
            assert answer["role_chose"] == chose and "permit-pty" in shown
            assert ("permit-user-rc" in shown) == chose
        if chose:  # what was learnt of the role weakens no list that is exact
            error = probe.error(key, extensions="permit-pty")
            assert "extensions [permit-pty] are not on allowed list" in error["text"]
        answer = probe.cert(key)
        assert "permit-user-rc" in describe(answer["cert"]) and not answer["role_chose"]
        write_private(with_token["token_file"], bao.root_token)
        engine = probe.ask("check", server="test", mount="ssh", role="web")[-2]["text"]
        assert ("a certificate has the role's own" if chose else "has just that") in engine
        assert 'the issuer "default" signs' in engine


def test_what_was_learnt_of_a_role_ends_with_the_configuration(bao, with_token, key):
    fields = {"extensions": "permit-pty", "role_may_choose": "yes"}
    bao.enable_ssh("ssh", "web", allowed_users="deploy", allowed_extensions="")
    with Probe(with_token) as probe:
        assert probe.cert(key, **fields)["role_chose"]
        bao.enable_ssh("ssh", "web", allowed_users="deploy", allowed_extensions="permit-pty")
        assert probe.cert(key, **fields)["role_chose"]
        probe.ask("put", **{"name": "test", **with_token})
        assert not probe.cert(key, **fields)["role_chose"]


def test_an_issuer_that_is_named_has_to_sign(bao, with_token, key):
    for name in ("first", "second"):
        bao.api("POST", f"ssh/issuers/import/{name}", {"generate_signing_key": True})
        bao.enable_ssh("ssh", name, allowed_users="deploy", issuer_ref=name)
    bao.allow_sign("ssh", "ssh/first", "ssh/second")
    with Probe(with_token) as probe:
        for name in ("first", "second"):
            probe.cert(key, role=name, issuer_ref=name)
        error = probe.error(key, role="first", issuer_ref="second")
        assert error["code"] == "input"
        assert 'the role "first" signs with the CA SHA256:' in error["text"]
        assert 'not with the issuer "second"' in error["text"]
        bao.enable_ssh("ssh", "first", allowed_users="deploy", issuer_ref="second")
        probe.cert(key, role="first", issuer_ref="second")
        error = probe.error(key, role="first", issuer_ref="nobody")
        assert error["code"] == "denied" and "nobody" in error["text"]
        assert probe.error(key, role="first", issuer_ref="a/b")["code"] == "input"


# --- what must not be there --------------------------------------------------------------


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
