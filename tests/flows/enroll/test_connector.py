"""A connector of the registry is enrolled as a signer of holdfast.yaml is, and its certificate kept."""

import json
import pathlib
import shutil
import tempfile

import pytest

from enroll.conftest import KEY, SSH_MOUNT, SSH_ROLE
from stage.agent import Agent, wait_for
from stage.bao import write_private
from stage.sshd import me
from stage.token import SoftToken


@pytest.fixture
def agent(bao):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    token = SoftToken(folder / "token")
    with Agent(folder / "a", token) as running:
        running.wait_token("ready")
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def one_time(agent, bao):
    made = bao.api("POST", "auth/token/create", {"policies": ["enroll"], "ttl": "10m"},
                   wrap_ttl="5m")["wrap_info"]
    return write_private(agent.folder / "one-time", made["token"] + "\n")


def create(agent, bao):
    agent.holdfast("certificate", "create", "ca", "--file", bao.ca_path)
    agent.holdfast("connector", "create", "main", "--address", bao.address, "--certificate", "ca",
                   "--login", "cert", "--login-key", agent.token.uri + KEY, "--pki-role", "agent",
                   "--no-test")


def enroll(agent, *options, check=True):
    done = agent.holdfast("enroll", "main", "--scope", "account", "--common-name", "host-1",
                          *options, "--json", check=check)
    return [json.loads(line) for line in done.stdout.splitlines() if line != "{}"]


def test_a_connector_is_enrolled_and_kept(agent, bao):
    create(agent, bao)
    *steps, end = enroll(agent, "--token-file", one_time(agent, bao), "--ttl", "60s")
    assert {s["state"] for s in steps} == {"ok"} and end["is_new"], steps
    serial = end["certificate"]["serial"]
    agent.holdfast("key", "generate", "--label", "deploy")
    agent.holdfast("secrets-manager", "create", "ssh", "--connector", "main", "--mount", SSH_MOUNT)
    agent.holdfast("ssh-key", "create", "deploy", "--user", me(), "--secrets-manager", "ssh",
                   "--role", SSH_ROLE, "--key", f"{agent.token.uri};object=deploy")
    agent.wait_active("deploy")  # by the login that was enrolled
    wait_for(agent.log, lambda: "login certificate of main: renewed" in agent.log(), 60)
    assert enroll(agent)[-1]["certificate"]["serial"] != serial


def test_a_login_that_is_not_enrolled_says_how(agent, bao):
    agent.holdfast("certificate", "create", "ca", "--file", bao.ca_path)
    done = agent.holdfast("connector", "create", "main", "--address", bao.address, "--certificate",
                          "ca", "--login", "cert", "--login-key", agent.token.uri + KEY,
                          "--pki-role", "agent", check=False)
    assert done.returncode == 1 and "(holdfast enroll makes one)" in done.stderr
    agent.holdfast("key", "generate", "--label", "holdfast-login")
    done = agent.holdfast("connector", "test", "main", check=False)
    assert done.returncode == 1 and "(holdfast enroll main gets one)" in done.stderr


def test_a_login_key_is_no_ssh_key(agent, bao):
    create(agent, bao)
    agent.holdfast("key", "generate", "--label", "holdfast-login")
    deploy = ("deploy", "--user", me(), "--key", agent.token.uri + KEY)
    done = agent.holdfast("ssh-key", "create", *deploy, check=False)
    assert done.returncode == 1 and "--key: main logs in to Vault with this key" in done.stderr
    agent.holdfast("connector", "edit", "main", "--share-with-ssh")
    agent.holdfast("ssh-key", "create", *deploy)
    wait_for("the identity", lambda: [i for i in agent.status()["identities"]
                                      if i["name"] == "deploy" and i["public"]])
    done = agent.holdfast("connector", "edit", "main", "--set", "login.share_with_ssh=false",
                          check=False)
    assert done.returncode == 1 and "it is SSH identity deploy's key" in done.stderr


def test_what_is_no_such_connector(agent):
    done = agent.holdfast("enroll", "nobody", "--scope", "account", "--token-file", "/dev/null",
                          check=False)
    assert done.returncode == 1
    done = agent.holdfast("enroll", "nobody", "--scope", "account", "--json", check=False)
    assert "no active connector nobody of account" in done.stderr + done.stdout
