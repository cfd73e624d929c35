"""After enrolling nothing that is kept would let another machine log in; and how the secrets came in."""

import os
import pathlib
import pty
import shutil

import pytest

from demo_enroll import SECRETS, files_below, search
from stage.agent import BIN


def test_the_search_finds_what_it_looks_for(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/key").write_text("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "token").write_text("x\ns.abcdefghijklmnopqrstuvwx\n")
    (tmp_path / "pin").write_text("is 1234")
    assert {name for _, name in search([tmp_path], {"pin": b"1234"})} == {*SECRETS, "pin"}


def of_processes(agent, words):
    """(pid, file, word) where /proc shows one of the words."""
    pids = [agent.pid, *(p for h in ("holdfast-token", "holdfast-vault") for p in agent.helpers(h))]
    assert len(pids) >= 3
    return [(pid, name, word) for pid in pids for name in ("cmdline", "environ") for word in words
            if word in pathlib.Path(f"/proc/{pid}/{name}").read_bytes()]


def test_nothing_is_left(machine):
    file, _ = machine.one_time()
    one_time = file.read_text().strip()
    pin = machine.token.pin
    with machine.agent() as agent:
        agent.wait_token("ready")
        agent.holdfast("key", "generate", "--label", "web")
        with open(file) as given:
            agent.holdfast("enroll", "vault", "--common-name", "host-1", "--token-file", "-",
                           stdin=given)
        file.unlink()
        agent.holdfast("renew", "web")
        words = {"the PIN": pin.encode(), "the one-time token": one_time.encode()}
        assert of_processes(agent, words.values()) == []
        assert len(files_below(agent.folder)) > 3
        assert search([agent.folder], words) == []
    assert search([agent.folder], words) == []


def test_the_one_time_token_is_asked_for_and_not_shown(machine):
    file, _ = machine.one_time()
    token = file.read_text().strip()
    with machine.agent() as agent:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BIN / "holdfast", ["holdfast", "enroll", "vault"], agent.env())
        shown = b""
        while b"(not shown): " not in shown:
            shown += os.read(terminal, 4096)
        assert "request" in shown.decode()  # what can be done without it is done
        os.write(terminal, token.encode() + b"\n")
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:
            pass
        assert os.waitpid(pid, 0)[1] == 0, shown.decode()
        assert token not in shown.decode() and "revoked" in shown.decode()


@pytest.mark.skipif(not shutil.which("systemd-creds"), reason="no systemd-creds")
def test_the_demo_seals_the_pin(machine):
    from demo_enroll import EnrollDemo
    demo = EnrollDemo(machine.folder / "demo", False)
    demo.token = machine.token
    if not demo.seal_pin():
        pytest.skip("systemd-creds does not work here")
    try:
        demo.open_pin()
        assert (demo.credentials / "pin").read_text() == machine.token.pin
        assert machine.token.pin.encode() not in demo.sealed.read_bytes()
    finally:
        shutil.rmtree(demo.credentials, ignore_errors=True)
