"""The way to the server as an operator sets it: another address, another name, a namespace, a proxy."""

import pytest

from main.conftest import ROLE
from main.ssh_client import ssh
from stage.sshd import Sshd, me
from vault.servers import Tunnel

NOWHERE, MOUNT, TEAM = "https://127.0.0.1:9", "ssh", "team"


@pytest.fixture(scope="module")
def team(bao):
    """A namespace with an SSH engine, a role and a policy; returns the CA's line."""
    def api(path, body, method="POST"):
        return bao.api(method, path, body, namespace=TEAM)
    bao.api("POST", f"sys/namespaces/{TEAM}", {})
    api(f"sys/mounts/{MOUNT}", {"type": "ssh"})
    api(f"{MOUNT}/config/ca", {"generate_signing_key": True})
    api(f"{MOUNT}/roles/{ROLE}", {"key_type": "ca", "allow_user_certificates": True,
                                  "allowed_users": me(), "default_extensions": {"permit-pty": ""}})
    api("sys/policies/acl/sign",
        {"policy": f'path "{MOUNT}/sign/{ROLE}" {{ capabilities = ["update"] }}'})
    return api(f"{MOUNT}/config/ca", None, "GET")["data"]["public_key"]


@pytest.fixture
def sshd(bench, team):
    folder = bench.folder / "host"
    folder.mkdir()
    (folder / "ca.pub").write_text(team)
    with Sshd(folder, user_ca=folder / "ca") as server:
        home = bench.folder / "home/.ssh"
        home.mkdir(parents=True)
        (home / "known_hosts").write_text(server.known_hosts_line() + "\n")
        yield server


def agent_by(bench, bao, tunnel, **more):
    token = bao.api("POST", "auth/token/create", {"policies": ["sign"], "ttl": "1h"},
                    namespace=TEAM)["auth"]["client_token"]
    signer = bench.signer(token, **{"namespace": TEAM, "server-name": "localhost",
                                    "addresses": [bao.address], "proxy": tunnel.address, **more})
    signer["vault"]["address"] = NOWHERE
    return bench.with_key(bench.agent([bench.identity(wants=[bench.want(mount=MOUNT)])], [signer]))


def test_all_of_it_and_one_connection(bench, bao, sshd):
    """20 renewals need no second TLS handshake: the proxy sees each connection."""
    good = bao.address.removeprefix("https://")
    with Tunnel() as tunnel, agent_by(bench, bao, tunnel) as agent:
        agent.wait_active("web")
        begun = tunnel.targets.count(good)
        for _ in range(20):
            agent.holdfast("renew", "web")
        assert tunnel.targets.count(good) == begun <= 2, tunnel.targets
        assert ssh(agent, sshd, bench.folder) == me()


def test_another_name_is_refused_with_both(bench, bao, team):
    with Tunnel() as tunnel, agent_by(bench, bao, tunnel,
                                      **{"server-name": "vault.example.org"}) as agent:
        agent.wait_token("ready")
        done = agent.holdfast("renew", "web", check=False)
        assert done.returncode == 1 and "vault.example.org" in done.stderr, done.stderr


def test_hosts_that_need_no_proxy(bench, bao, team):
    with Tunnel() as tunnel, agent_by(bench, bao, tunnel, **{"no-proxy": "127.0.0.1,localhost"}) as agent:
        agent.wait_active("web")
        assert tunnel.targets == []
