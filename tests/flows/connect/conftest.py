"""One CA, key, agent and sshd for all tests of a file; each test starts with the host known."""

import pathlib
import shutil

import pytest

from connect.runs import Place
from stage.sshd import SshAgent, Sshd, certify, keygen, me, run, sshd_program


@pytest.fixture(scope="module")
def folder():
    if not sshd_program():
        pytest.skip("no sshd")
    # A Unix socket's path is short, pytest's folders are not.
    path = pathlib.Path(run("mktemp", "-d", "-t", "hf-connect-XXXXXX").strip())
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def place(folder):
    return Place(folder)


@pytest.fixture(scope="module")
def sshd(place):
    with Sshd(place.folder, user_ca=place.ca) as server:
        yield server


@pytest.fixture(scope="module")
def agent(place):
    with SshAgent(place.folder) as server:
        server.add(place.key)
        yield server


@pytest.fixture(autouse=True)
def knows_sshd(request, place):
    if "sshd" in request.fixturenames:
        place.know("# a comment", "", request.getfixturevalue("sshd").known_hosts_line())


@pytest.fixture
def new_key(place, tmp_path):
    """Makes keys in a folder of the test's own."""
    def make(kind="ed25519", **cert):
        key = keygen(tmp_path / f"key-{len(list(tmp_path.iterdir()))}", kind)
        if cert:
            certify(cert.pop("ca", place.ca), key, **{"principals": [me()], **cert})
        return key

    return make
