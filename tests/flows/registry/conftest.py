"""An OpenBao, sshds as target hosts, and an agent whose registry is still empty."""

import pathlib
import shutil
import tempfile

import pytest

from main.conftest import MOUNT, ROLE, Bench
from stage.api import Api
from stage.bao import Bao, write_private
from stage.sshd import Sshd, me


@pytest.fixture(scope="module")
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    (folder / "home/.ssh").mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bao(place):
    with Bao(place / "bao") as server:
        server.enable_ssh(MOUNT, ROLE, allowed_users=me(), ttl="30m")
        server.allow_sign("signer", f"{MOUNT}/{ROLE}")
        yield server


@pytest.fixture(scope="module")
def hosts(place, bao):
    """Three target hosts that trust only the engine's CA."""
    ca = place / "ca"
    ca.with_suffix(".pub").write_text(bao.ssh_ca(MOUNT) + "\n")
    servers = [Sshd(place, user_ca=ca) for _ in range(3)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


class Empty(Bench):
    """A machine with a token and an agent, and nothing declared yet."""

    def login(self):
        """AppRole files, as an operator puts them on the machine."""
        approle = self.bao.enable_approle("registry", policies=["signer"])
        return {"method": "approle",
                "role_id_file": str(write_private(self.folder / "role-id", approle.role_id)),
                "secret_id_file": str(write_private(self.folder / "secret-id", approle.secret_id()))}

    def host(self, name, sshd):
        return {"name": name, "address": sshd.address, "port": sshd.port,
                "host_key": sshd.known_hosts_line().split(" ", 1)[1]}


@pytest.fixture
def empty(place, bao):
    folder = pathlib.Path(tempfile.mkdtemp(dir=place, prefix="r"))
    return Empty(folder, place, bao)


@pytest.fixture
def running(empty):
    """(what to build with, the agent, its API), with a key on the token."""
    agent = empty.with_key(empty.agent([], []))
    agent.settings["registry"] = {
        "secret-folders": [{"scope": "org/acme", "path": str(empty.folder / "acme")}]}
    agent.write_config()
    with agent:
        agent.wait_token("ready")
        yield empty, agent, Api(agent.control)
