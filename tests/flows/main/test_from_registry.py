"""From registry to socket: an SSH key that is declared is an identity at once, and so is its end."""

import http.client
import json
import os
import re
import socket
import subprocess
import time

import pytest

from main.conftest import MOUNT, ROLE
from stage.agent import wait_for
from stage.bao import write_private
from stage.sshd import me

AT_ONCE_S = 1.0
PROJECT = "org/acme/project/web"


class Api(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def ask(self, method, scope, kind, name="", body=None):
        path = f"/v1/scopes/{scope.replace('/', '%2F')}/{kind}" + (f"/{name}" if name else "")
        self.request(method, path, json.dumps(body) if body else None,
                     {"Content-Type": "application/json", "If-Match": "*"})
        answer = self.getresponse()
        text = answer.read().decode()
        assert answer.status < 300, (answer.status, text)
        return json.loads(text) if text else None


def comments(path, user=None):
    done = subprocess.run(["ssh-add", "-L"], text=True, capture_output=True, user=user,
                          env={"SSH_AUTH_SOCK": str(path), "PATH": "/usr/bin:/bin"})
    return [line.split(" ", 2)[2] for line in done.stdout.splitlines() if " " in line and
            not line.startswith("The agent")]


def at_once(agent, what, condition, begun):
    wait_for(lambda: what + "\n" + agent.log(), condition, timeout_s=20, step_s=0.02)
    took = time.monotonic() - begun
    assert took < AT_ONCE_S, f"{what}: {took:.2f} s"


def declare(api, bench, scope="account"):
    token = write_private(bench.folder / "vault-token", bench.bao.token(["signer"], ttl="1h"))
    api.ask("POST", scope, "certificates", body={
        "name": "Vault CA", "spec": {"pem": bench.bao.ca_path.read_text()}})
    api.ask("POST", scope, "connectors", body={"name": "Main", "spec": {
        "type": "vault", "addresses": [bench.bao.address], "certificate": "vault_ca",
        "login": {"method": "token", "token_file": str(token)}}})
    api.ask("POST", scope, "secrets-managers", body={"name": "Engine", "spec": {
        "type": "vault-ssh", "connector": "main", "mount": MOUNT, "default_role": ROLE}})


def ssh_key(bench, manager="account.engine", **fields):
    return {"user_name": me(), "key": f"{bench.token.uri};object=web",
            "pin": {"file": str(bench.token.pin_file)},
            "credentials": {"type": "vault-ssh", "secrets_manager": manager, "ttl": "5m"}, **fields}


def given(bench, agent):
    """holdfast.yaml gives acme the folder where the PIN lies: below the account nothing is readable else."""
    agent.settings["registry"] = {
        "secret-folders": [{"scope": "org/acme", "path": str(bench.token.pin_file.parent)}]}
    agent.write_config()
    return bench.with_key(agent)


def test_an_identity_comes_changes_and_goes(bench, sshd):
    agent = given(bench, bench.agent(identities=[], signers=[]))
    agent.settings["tokens"] = []  # the registry's key says which token, and where its PIN is
    agent.write_config()
    with agent:
        api = Api(agent.control)
        declare(api, bench)
        begun = time.monotonic()
        api.ask("POST", PROJECT, "ssh-keys", body={"name": "Deploy", "spec": ssh_key(bench)})
        name = f"acme.web.deploy (certificate of main/{ROLE})"
        at_once(agent, "the certificate", lambda: comments(agent.socket) == [name], begun)
        login = subprocess.run(
            ["ssh", "-F", "none", "-p", str(sshd.port), "-o", "IdentityAgent=" + str(agent.socket),
             "-o", f"UserKnownHostsFile={bench.place}/home/.ssh/known_hosts", "-o", "BatchMode=yes",
             "127.0.0.1", "echo in"], text=True, capture_output=True)
        assert login.stdout == "in\n", login.stderr + agent.log()

        begun = time.monotonic()
        api.ask("PUT", PROJECT, "ssh-keys", "deploy", {"name": "Deploy", "spec": ssh_key(
            bench, offer="both")})
        at_once(agent, "the plain key too",
                lambda: comments(agent.socket) == [name, "acme.web.deploy"], begun)
        assert (agent.state / "certificates/acme.web.deploy.cache").exists()

        begun = time.monotonic()
        api.ask("DELETE", PROJECT, "ssh-keys", "deploy")
        at_once(agent, "nothing", lambda: comments(agent.socket) == [], begun)
        wait_for("the cache file's end",
                 lambda: not list((agent.state / "certificates").glob("acme*")))


def test_the_issuer_of_a_key_has_to_sign(bench):
    bench.bao.api("POST", f"{MOUNT}/issuers/import/other", {"generate_signing_key": True})
    agent = given(bench, bench.agent(identities=[], signers=[]))
    with agent:
        api = Api(agent.control)
        declare(api, bench)
        for name, issuer in (("refused", "other"), ("signed", "default")):
            spec = ssh_key(bench, manager="engine")
            spec["credentials"]["issuer"] = issuer
            api.ask("POST", "account", "ssh-keys", body={"name": name, "spec": spec})
        agent_serial(agent, "signed")
        wait_for("the refusal", lambda: 'not with the issuer "other"' in agent.log())
        assert comments(agent.socket) == [f"signed (certificate of main/{ROLE})"]


def test_an_identity_survives_a_restart(bench):
    agent = given(bench, bench.agent(identities=[], signers=[]))
    with agent:
        api = Api(agent.control)
        declare(api, bench)
        api.ask("POST", "account", "ssh-keys", body={"name": "Ops", "spec": ssh_key(
            bench, manager="engine")})
        serial = agent_serial(agent, "ops")
    with agent:
        wait_for("the same certificate", lambda: agent_serial(agent, "ops") == serial)
        api = Api(agent.control)
        assert api.ask("GET", "account", "ssh-keys", "ops")["name"] == "Ops"


def agent_serial(agent, name):
    def found():
        listed = [i for i in agent.status()["identities"] if i["name"] == name]
        return listed and listed[0]["certificates"][0]["serial"]
    return wait_for(lambda: f"{name}\n{agent.log()}", found)


def test_a_socket_of_a_project_shows_no_other(bench):
    agent = given(bench, bench.agent(signers=[bench.signer()]))
    mine, theirs = agent.folder / "web.sock", agent.folder / "db.sock"
    agent.settings["sockets"] = [{"path": str(mine), "scope": PROJECT},
                                 {"path": str(theirs), "scope": "org/acme/project/db"}]
    agent.write_config()
    with agent:
        agent.wait_active("web")
        api = Api(agent.control)
        declare(api, bench)
        for scope in ("account", "org/acme", PROJECT, "org/acme/project/db"):
            api.ask("POST", scope, "ssh-keys", body={"name": "K", "spec": ssh_key(
                bench, manager="engine" if scope == "account" else "account.engine")})

        def names(path):
            return sorted(c.split(" ")[0] for c in comments(path))
        wait_for(agent.log, lambda: names(mine) == ["acme.k", "acme.web.k", "k"])
        wait_for(agent.log, lambda: names(theirs) == ["acme.db.k", "acme.k", "k"])
        assert names(agent.socket) == ["k", "web"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_socket_has_users_of_its_own(bench):
    agent = given(bench, bench.agent(identities=[], signers=[]))
    shared = agent.folder / "shared"
    shared.mkdir()
    for folder in (bench.place, bench.folder, agent.folder, shared):
        folder.chmod(0o755)
    web, db = shared / "web.sock", shared / "db.sock"
    agent.settings["sockets"] = [{"path": str(web), "scope": PROJECT, "users": ["daemon", "65534"]},
                                 {"path": str(db), "scope": "org/acme/project/db", "users": ["4711"]}]
    agent.write_config()
    with agent:
        api = Api(agent.control)
        declare(api, bench)
        api.ask("POST", PROJECT, "ssh-keys", body={"name": "K", "spec": ssh_key(bench)})
        name = f"acme.web.k (certificate of main/{ROLE})"
        wait_for(agent.log, lambda: comments(web) == [name])
        assert comments(web, user=65534) == comments(web, user="daemon") == [name]
        agent.socket.chmod(0o666)  # so that the agent decides, not the mode
        assert comments(agent.socket, user=65534) == comments(db, user=65534) == []
        for path in (agent.socket, db):
            refused = re.search(rf"{path}: refused pid \d+ .*uid 65534", agent.log())
            assert refused, agent.log()
