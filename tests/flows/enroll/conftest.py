"""An OpenBao with a PKI engine, cert logins that trust its CA, and an SSH engine; a token of each test's own."""

import pathlib
import shutil
import tempfile

import pytest

from stage.agent import Agent
from stage.bao import Bao, bao_program, write_private
from stage.sshd import me
from stage.token import SoftToken

SSH_MOUNT, SSH_ROLE = "ssh-client-signer", "my-role"
KEY = ";object=holdfast-login"


@pytest.fixture(scope="module")
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))  # short: socket paths have 107 bytes
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bao(place):
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with Bao(place / "bao") as server:
        server.enable_ssh(SSH_MOUNT, SSH_ROLE, allowed_users=me(), ttl="30m")
        server.enable_pki()
        server.policy("machine", f'path "{SSH_MOUNT}/sign/{SSH_ROLE}" {{ capabilities = ["update"] }}\n'
                                 'path "pki/sign/agent" { capabilities = ["update"] }\n')
        server.policy("enroll", 'path "pki/sign/agent" { capabilities = ["update"] }\n')
        server.enable_cert("machine", server.pki_ca(), policies=["machine"])
        yield server


class Machine:
    """A fresh machine: a token without keys, and an agent that is to log in with one."""

    def __init__(self, folder, bao):
        self.folder, self.bao = folder, bao
        self.token = SoftToken(folder / "token")

    def signer(self, **login):
        return {"name": "vault", "vault": {
            "address": self.bao.address, "ca-bundle": str(self.bao.ca_path), "timeout": "5s",
            "login": {"method": "cert", "key": self.token.uri + KEY, "pki-mount": "pki",
                      "pki-role": "agent", **login}}}

    def agent(self, signer=None, **options):
        identity = {"name": "web", "key": f"{self.token.uri};object=web", "certificates": [
            {"signer": "vault", "mount": SSH_MOUNT, "role": SSH_ROLE, "principals": [me()]}]}
        return Agent(self.folder / "a", self.token, [signer or self.signer()], [identity],
                     **options)

    def one_time(self, policies=("enroll",), path="auth/token/create", **options):
        """(the file with it, the accessor of what is inside)"""
        made = self.bao.api("POST", path, {"policies": list(policies), "ttl": "10m", **options},
                            wrap_ttl="5m")["wrap_info"]
        return (write_private(self.folder / "one-time", made["token"] + "\n"),
                made["wrapped_accessor"])


@pytest.fixture
def machine(tmp_path, bao):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    yield Machine(folder, bao)
    shutil.rmtree(folder, ignore_errors=True)
