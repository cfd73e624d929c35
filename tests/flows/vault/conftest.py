"""What every test of holdfast-vault has: keys, a server with a role and a policy, two logins."""

import pathlib
import shutil
import subprocess
import tempfile

import pytest

from stage.bao import Bao, Ca, bao_program, write_private
from vault.servers import FakeVault


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Public keys by type."""
    folder = tmp_path_factory.mktemp("keys")
    for name, options in {"p256": ["ecdsa", "-b", "256"], "p384": ["ecdsa", "-b", "384"],
                          "rsa": ["rsa", "-b", "2048"], "ed25519": ["ed25519"]}.items():
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", folder / name, "-t", *options],
                       check=True)
    return {p.stem: p for p in folder.glob("*.pub")}


@pytest.fixture(scope="module")
def key(keys):
    return keys["p256"]


@pytest.fixture(scope="module")
def shared_bao():
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with Bao() as bao:
        yield bao


@pytest.fixture
def bao(shared_bao):
    """The server with the role and policy that most tests want, whatever a test before did."""
    if shared_bao.seal_status()["sealed"]:
        shared_bao.unseal()
    shared_bao.enable_ssh("ssh", "web", allowed_users="deploy,alice",
                          allowed_extensions="permit-pty", allow_user_key_ids=True)
    shared_bao.allow_sign("ssh", "ssh/web")
    return shared_bao


@pytest.fixture
def with_token(bao, tmp_path):
    """Settings of a server that is logged in to with a token of policy "ssh"."""
    file = write_private(tmp_path / "token", bao.token(["ssh"], ttl="1h") + "\n")
    return {"address": bao.address, "ca": bao.ca_path, "token_file": file}


@pytest.fixture
def approle(bao):
    return bao.enable_approle("agent", policies=["ssh"])


@pytest.fixture
def with_approle(bao, approle, tmp_path):
    role_id = tmp_path / "role-id"
    role_id.write_text(approle.role_id + "\n")
    return {"address": bao.address, "ca": bao.ca_path, "login": "approle", "role_id_file": role_id,
            "secret_id_file": write_private(tmp_path / "secret-id", approle.secret_id() + "\n")}


@pytest.fixture
def fake(tmp_path):
    """A server whose answers the test makes up."""
    with FakeVault(Ca(tmp_path / "fake")) as server:
        yield server


@pytest.fixture
def with_fake(fake, tmp_path):
    file = write_private(tmp_path / "fake-token", "s.fake")
    return {"address": fake.address, "ca": fake.ca.path, "token_file": file}


@pytest.fixture
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))  # short: socket paths have 107 bytes
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
