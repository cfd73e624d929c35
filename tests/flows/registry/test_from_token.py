"""A certificate that lies on a token becomes one of the registry, byte for byte."""

import json
import subprocess

import pytest


def store(token, der, label, object_id):
    """With another program, while the agent has the token."""
    token.tool("--write-object", der, "--type", "cert", "--label", label, "--id", object_id)


@pytest.fixture
def der(empty):
    file = empty.folder / "ca.der"
    subprocess.run(["openssl", "x509", "-in", empty.bao.ca_path, "-outform", "DER", "-out", file],
                   check=True)
    return file


@pytest.fixture
def other(empty):
    file = empty.folder / "other.der"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", "/dev/null", "-subj", "/CN=other", "-days", "60", "-outform",
                    "DER", "-out", file], check=True, capture_output=True)
    return file


@pytest.fixture
def cli(running):
    _, agent, _ = running
    return agent.holdfast


def refused(cli, *words):
    done = cli("certificate", "create", *words, check=False)
    assert done.returncode == 1, (words, done.stdout, done.stderr)
    return done.stderr


def pem_of(cli, name):
    return json.loads(cli("certificate", "show", name, "--json").stdout)["spec"]["pem"]


def test_becomes_a_resource(running, cli, der):
    empty, _, _ = running
    store(empty.token, der, "vault-ca", "0a01")
    done = cli("certificate", "create", "Vault CA", "--from-token", "demo")
    assert done.stdout == "Certificate Vault CA created successfully\n"
    assert pem_of(cli, "Vault CA").strip() == empty.bao.ca_path.read_text().strip()
    cli("connector", "create", "main", "--no-test", "--address", empty.bao.address, "--login",
        "token", "--token-file", "/nonexistent", "--certificate", "vault_ca")


def test_which_one(empty, cli, der, other):
    store(empty.token, der, "ca", "0a01")
    store(empty.token, other, "other", "0b02")
    said = refused(cli, "x", "--from-token", "demo")
    assert "ca (id 0a01)" in said and "other (id 0b02)" in said and "--object" in said
    ca = empty.bao.ca_path.read_text().strip()
    cli("certificate", "create", "by label", "--from-token", "demo", "--object", "ca")
    cli("certificate", "create", "by id", "--from-token", "demo", "--object", "0B02")
    assert pem_of(cli, "by label").strip() == ca != pem_of(cli, "by id").strip()
    assert "CN=other" in cli("certificate", "list").stdout
    assert "no certificate 'third'" in refused(cli, "x", "--from-token", "demo", "--object", "third")


def test_errors(empty, cli):
    pem = empty.bao.ca_path
    assert "holds no X.509 certificate" in refused(cli, "x", "--from-token", "demo")
    assert "no token" in refused(cli, "x", "--from-token", "other")
    assert "exclude each other" in refused(cli, "x", "--from-token", "demo", "--file", pem)
    assert "--from-token" in refused(cli, "x", "--object", "ca")
    assert "--from-token" in refused(cli, "x")
    assert json.loads(cli("certificate", "list", "--json").stdout)["items"] == []


def test_dry_run(empty, cli, der):
    store(empty.token, der, "ca", "0a")
    done = cli("certificate", "create", "x", "--from-token", "demo", "--dry-run")
    assert "would be created" in done.stdout
    assert json.loads(cli("certificate", "list", "--json").stdout)["items"] == []


def test_locked_token(empty, der):
    """Certificates are public objects: no PIN is needed to copy one."""
    with empty.agent([], [], pins=[]) as agent:
        agent.wait_token("locked")
        store(empty.token, der, "ca", "0a")
        agent.holdfast("certificate", "create", "Vault CA", "--from-token", "demo")
        assert pem_of(agent.holdfast, "Vault CA").strip() == empty.bao.ca_path.read_text().strip()
        agent.wait_token("locked")
