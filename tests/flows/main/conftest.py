"""One OpenBao and one sshd for a file of tests; each test gets its own token and agent."""

import pathlib
import shutil
import tempfile

import pytest

from stage.agent import Agent
from stage.bao import Bao, write_private
from stage.sshd import Sshd, me
from stage.token import SoftToken

MOUNT, ROLE = "ssh-client-signer", "my-role"


@pytest.fixture(scope="module")
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))  # short: socket paths have 107 bytes
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bao(place):
    with Bao(place / "bao") as server:
        server.enable_ssh(MOUNT, ROLE, allowed_users=me(), ttl="30m",
                          allowed_extensions="permit-pty,permit-port-forwarding,permit-agent-forwarding")
        server.allow_sign("signer", f"{MOUNT}/{ROLE}")
        yield server


@pytest.fixture(scope="module")
def sshd(place, bao):
    ca = place / "ca"
    ca.with_suffix(".pub").write_text(bao.ssh_ca(MOUNT) + "\n")
    with Sshd(place, user_ca=ca) as server:
        home = place / "home/.ssh"
        home.mkdir(parents=True)
        (home / "known_hosts").write_text(server.known_hosts_line() + "\n")
        yield server


class Bench:
    """What a test puts an agent together with."""

    def __init__(self, folder, place, bao):
        self.folder, self.place, self.bao = folder, place, bao
        self.token = SoftToken(folder / "token")

    def signer(self, token=None, **vault):
        """A Vault signer that logs in with a token file."""
        value = token or self.bao.token(["signer"], ttl="1h")
        file = write_private(self.folder / "vault-token", value)
        login = {"method": "token", "token-file": str(file)}
        return {"name": "vault", "vault": {"address": self.bao.address,
                                           "ca-bundle": str(self.bao.ca_path), "login": login,
                                           **vault}}

    def want(self, **fields):
        return {"signer": "vault", "mount": MOUNT, "role": ROLE, "principals": [me()], "ttl": "5m",
                **fields}

    def identity(self, name="web", label=None, wants=None, **fields):
        return {"name": name, "key": f"{self.token.uri};object={label or name}",
                "certificates": [self.want()] if wants is None else wants, **fields}

    def agent(self, identities=None, signers=None, **options):
        env = {"HOME": str(self.place / "home"), **options.pop("env", {})}
        signers = [self.signer()] if signers is None else signers
        identities = [self.identity()] if identities is None else identities
        return Agent(self.folder / "a", self.token, signers, identities, env=env, **options)

    def with_key(self, agent, label="web", kind="p256", *options):
        """Make the key before the agent runs."""
        agent.holdfast("key", "generate", "--label", label, "--type", kind, *options)
        return agent


@pytest.fixture
def bench(place, bao):
    folder = pathlib.Path(tempfile.mkdtemp(dir=place, prefix="t"))
    return Bench(folder, place, bao)
