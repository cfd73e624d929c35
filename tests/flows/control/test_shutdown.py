"""An agent that ends while requests wait for servers that never answer: each client hears an end, and
nothing stays behind. (Built with sanitizers the agent's exit status also says that no memory did.)"""

import json
import pathlib
import socket
import tempfile
import threading
import time

import pytest

from stage.agent import Agent, wait_for
from stage.api import Api
from stage.token import SoftToken

ENDS_WITHIN_S = 10
SLOW = 2  # sanitizers, two busy cores


class Silent:
    """Takes connections on the loopback, and never says a word."""

    def __init__(self):
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        self.conns = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                self.conns.append(self._server.accept()[0])
        except OSError:
            pass  # closed

    def close(self):
        for s in (self._server, *self.conns):
            s.close()


@pytest.fixture
def silent():
    server = Silent()
    yield server
    server.close()


@pytest.fixture
def agent():
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        folder = pathlib.Path(folder)
        with Agent(folder / "a", SoftToken(folder / "token")) as agent:
            agent.wait_token("ready")
            agent.holdfast("key", "generate", "--label", "web", "--type", "p256")
            yield agent


def resources(agent, port):
    token = agent.folder / "vault-token"
    token.write_text("s.0123456789\n")
    token.chmod(0o600)
    connector = {"type": "vault", "addresses": [f"https://127.0.0.1:{port}"],
                 "login": {"method": "token", "token_file": str(token)}}
    return connector, [
        {"kind": "connector", "scope": "account", "name": "main", "spec": connector},
        {"kind": "secrets-manager", "scope": "account", "name": "main",
         "spec": {"type": "vault-ssh", "connector": "main", "mount": "ssh"}},
        {"kind": "ssh-key", "scope": "account", "name": "main", "spec": {
            "user_name": "web", "key": "pkcs11:token=demo;object=web", "token": agent.token.label,
            "credentials": {"type": "vault-ssh", "secrets_manager": "main", "role": "web"}}},
        {"kind": "ssh-key", "scope": "account", "name": "bare", "spec": {
            "user_name": "web", "key": "pkcs11:token=demo;object=web", "token": agent.token.label,
            "credentials": {"type": "key"}}}]


def ask(agent, method, path, body=None):
    """Sends a request whose answer nobody reads yet."""
    data = json.dumps(body).encode() if body is not None else b""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(str(agent.control))
    s.sendall(f"{method} /v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
              f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return s


def rest_of(s):
    """What comes until the end; there has to be one."""
    said = b""
    try:
        while data := s.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize("clients", ["stay", "leave"])
def test_what_is_open_at_the_end_is_let_go(agent, silent, clients):
    connector, document = resources(agent, silent.port)
    done = Api(agent.control).post("/registry/apply", {"document": {"resources": document}})
    assert done.status == 200, done
    wait_for(agent.log, lambda: {i["name"] for i in agent.status()["identities"]} == {"main", "bare"})
    host = {"host": "127.0.0.1", "port": silent.port}
    open_requests = [ask(agent, *request) for request in (
        ("POST", "/scopes/account/connectors/-/test", {"name": "new", "spec": connector}),
        ("POST", "/scopes/account/connectors/main/test"),
        ("GET", "/scopes/account/connectors/main/mounts"),
        ("GET", "/scopes/account/connectors/main/ca?mount=ssh"),
        ("GET", "/scopes/account/secrets-managers/main/mounts"),
        ("POST", "/signers/main/test"),
        ("GET", "/signers/main/ca?mount=ssh"),
        ("POST", "/identities/main/renew"),
        ("POST", "/renewals"),
        ("POST", "/connect", {"user": "web", "identity": "bare", **host}),
        ("POST", "/scopes/account/ssh-keys/bare/test", host),
        ("POST", "/scopes/account/ssh-keys/main/test", host),
        ("POST", "/runs", {"hosts": [f"127.0.0.1:{silent.port}"] * 3, "ssh_key": "bare"}),
        ("GET", "/audit"),
        ("GET", "/registry"))]
    wait_for(agent.log, lambda: len(silent.conns) >= 6)
    if clients == "leave":
        for s in open_requests:
            s.close()
    begun = time.monotonic()
    status = agent.stop()
    assert time.monotonic() - begun < SLOW * ENDS_WITHIN_S
    assert status == 0 and "Sanitizer" not in agent.log(), agent.log()
    if clients == "stay":
        assert all(isinstance(rest_of(s), bytes) for s in open_requests)
    assert not agent.socket.exists() and not agent.control.exists()
