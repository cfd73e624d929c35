"""A machine from nothing to a Vault login by a key on its token, against a real OpenBao."""

import json
import subprocess

import pytest

from stage.agent import wait_for
from stage.bao import BaoError, write_private

STEPS = ["token", "key", "look", "request", "reach", "tls", "health", "access", "issue", "prove",
         "store", "login", "revoke"]


def enroll(agent, *options, check=True):
    """(steps by name, the last line)"""
    done = agent.holdfast("enroll", "vault", "--common-name", "host-1", *options, "--json",
                          check=check)
    assert check or done.returncode == 1, done.stdout
    *steps, end = [json.loads(line) for line in done.stdout.splitlines() if line != "{}"]
    assert end["done"]
    return {s["step"]: s for s in steps}, end


def lives(bao, accessor):
    try:
        bao.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})
        return True
    except BaoError:
        return False


def test_from_nothing_to_a_login(machine, bao):
    file, accessor = machine.one_time()
    with machine.agent() as agent:
        agent.wait_token("ready")
        agent.holdfast("key", "generate", "--label", "web")
        steps, end = enroll(agent, "--alt-name", "DNS:host-1.example", "--token-file", file)
        assert list(steps) == STEPS and {s["state"] for s in steps.values()} == {"ok"}, steps
        assert end["is_new"] and end["certificate"]["subject"] == "CN = host-1"
        assert not lives(bao, accessor)  # the one-time secret is gone
        key = json.loads(agent.holdfast("key", "show", "holdfast-login", "--json").stdout)
        assert key["attributes"]["local"] and not key["attributes"]["extractable"]
        agent.holdfast("renew", "web")
        assert agent.wait_active("web")
        assert "enrolled" in (agent.state / "audit.jsonl").read_text()
        steps, end = enroll(agent)  # again: all is there
        assert list(steps) == ["token", "key", "look", "login"] and not end["is_new"]
        steps, end = enroll(agent, "--renew")  # by the certificate that is there
        assert steps["access"]["text"] == "the certificate that is there logs in" and end["is_new"]


def test_what_fails_before_does_not_waste_the_token(machine, bao):
    file, accessor = machine.one_time()
    with machine.agent() as agent:
        bao.seal()
        try:
            steps, end = enroll(agent, "--token-file", file, check=False)
        finally:
            bao.unseal()
        assert end["failed"] == "access" and steps["health"]["state"] == "failed"
        assert "still unused" in end["next"]
        assert lives(bao, accessor)
        steps, end = enroll(agent, "--token-file", file)  # goes on: the key is there
        assert "is there" in steps["key"]["text"] and end["is_new"]


def test_a_token_that_is_away(machine):
    file, _ = machine.one_time()
    machine.token.remove()
    try:
        with machine.agent() as agent:
            steps, end = enroll(agent, "--token-file", file, check=False)
            assert list(steps) == ["token"]
            assert "no token that is present matches" in steps["token"]["error"]["text"]
            assert end["next"].startswith("plug the token in")
    finally:
        machine.token.restore()


def test_a_role_that_refuses_then_the_same_token_again(machine, bao):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        bao.enable_pki(allowed_domains=["other.example"], allow_any_name=False)
        try:
            steps, end = enroll(agent, "--token-file", file, check=False)
        finally:
            bao.enable_pki()
        assert end["failed"] == "issue" and "Vault says" in end["error"]["text"]
        assert "memory of holdfast-vault" in end["next"]
        _, end = enroll(agent, "--token-file", file)
        assert end["is_new"]


def test_without_a_one_time_token(machine):
    with machine.agent() as agent:
        steps, end = enroll(agent, check=False)
        assert end["failed"] == "access" and end["needs_one_time_token"]
        assert "-wrap-ttl" in end["next"]
        done = agent.holdfast("enroll", "vault", check=False)  # no terminal to ask on
        assert done.returncode == 1 and "no terminal to ask for the one-time token on" in done.stderr


def test_a_token_that_was_swapped_or_used(machine, bao):
    wrapped = bao.api("POST", "sys/wrapping/wrap", {"token": "x"}, wrap_ttl="5m")["wrap_info"]
    file = write_private(machine.folder / "swapped", wrapped["token"])
    with machine.agent() as agent:
        steps, end = enroll(agent, "--token-file", file, check=False)
        assert "it may have been swapped" in end["error"]["text"]
        file, _ = machine.one_time()
        bao.api("POST", "sys/wrapping/unwrap", token=file.read_text().strip())
        steps, end = enroll(agent, "--token-file", file, check=False)
        assert "somebody else has" in end["error"]["text"]


def test_a_certificate_that_is_not_what_was_asked_for(machine, bao):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        bao.enable_pki(client_flag=False, server_flag=True)
        try:
            _, end = enroll(agent, "--token-file", file, check=False)
        finally:
            bao.enable_pki()
        assert end["failed"] == "prove" and "client_flag" in end["error"]["text"]
        assert end["certificate"] is None
        assert machine.token.tool("--list-objects", "--type", "cert").stdout.strip() == ""


def test_a_ca_that_is_not_the_configured_one(machine, bao):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        _, end = enroll(agent, "--token-file", file, "--ca-file", bao.ca_path, check=False)
        assert end["failed"] == "prove"
        assert "the CA that is configured did not issue it" in end["error"]["text"]
        ca = machine.folder / "pki.pem"
        ca.write_text(bao.pki_ca())
        assert enroll(agent, "--token-file", file, "--ca-file", ca)[1]["is_new"]


def test_a_login_that_vault_does_not_take(machine, bao):
    file, accessor = machine.one_time()
    bao.api("DELETE", "auth/cert/certs/machine")
    try:
        with machine.agent() as agent:
            _, end = enroll(agent, "--token-file", file, check=False)
            assert end["failed"] == "login" and "no one-time token is needed" in end["next"]
            assert end["is_new"]
            bao.enable_cert("machine", bao.pki_ca(), policies=["machine"])
            steps, end = enroll(agent)
            assert list(steps) == ["token", "key", "look", "login"]
    finally:
        bao.enable_cert("machine", bao.pki_ca(), policies=["machine"])


def test_a_key_that_may_be_taken_out(machine):
    key = machine.folder / "key.der"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-outform", "DER", "-out", key], check=True)
    for kind in ("privkey", "pubkey"):
        if kind == "pubkey":
            subprocess.run(["openssl", "pkey", "-in", key, "-inform", "DER", "-pubout", "-outform",
                            "DER", "-out", key.with_suffix(".pub")], check=True)
        machine.token.tool("--write-object", key if kind == "privkey" else key.with_suffix(".pub"),
                           "--type", kind, "--label", "holdfast-login", "--id", "0a",
                           *(["--extractable"] if kind == "privkey" else []))
    with machine.agent() as agent:
        steps, end = enroll(agent, check=False)
        assert end["failed"] == "key" and "could be taken out" in end["error"]["text"]


@pytest.mark.parametrize("kind", ["p384", "rsa"])
def test_other_kinds_of_key(machine, kind):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        _, end = enroll(agent, "--key-type", kind, "--token-file", file)
        assert end["is_new"]


def test_a_signer_of_another_kind(machine, bao):
    token = write_private(machine.folder / "t", bao.token(["machine"], ttl="1h"))
    signer = machine.signer()
    signer["vault"]["login"] = {"method": "token", "token-file": str(token)}
    with machine.agent(signer) as agent:
        done = agent.holdfast("enroll", "vault", "--pki-role", "agent", check=False)
        assert done.returncode == 1 and "method: cert" in done.stderr
        agent.wait_token("ready")
        agent.holdfast("key", "generate", "--label", "tls")
        done = agent.holdfast("key", "certify", "tls", "--signer", "vault", "--pki-role", "agent",
                              "--common-name", "web.example", "--ttl", "10m")
        assert "CN = web.example" in done.stdout
        assert "tls" in machine.token.tool("--list-objects", "--type", "cert").stdout


def test_the_login_certificate_is_renewed(machine, bao):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        _, end = enroll(agent, "--token-file", file, "--ttl", "60s")
        serial = end["certificate"]["serial"]

        def renewed():
            return [line for line in agent.log().splitlines() if "renewed, until" in line]
        wait_for(agent.log, renewed, 60)
        _, end = enroll(agent)
        assert end["certificate"]["serial"] != serial and not end["is_new"]


def test_what_nothing_renews_is_warned_about(machine, bao):
    file, _ = machine.one_time()
    signer = machine.signer()
    del signer["vault"]["login"]["pki-role"]
    with machine.agent(signer) as agent:
        enroll(agent, "--pki-role", "agent", "--token-file", file, "--ttl", "60s")

        def warned():
            return [w for w in agent.status()["warnings"] if "nothing renews it" in w]
        assert "holdfast enroll vault --renew" in wait_for("the warning", warned, 60, 1)[0]
