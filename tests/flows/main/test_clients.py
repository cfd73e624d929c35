"""Clients of the agent socket that misbehave, and clients that are only unusual."""

import os
import socket
import struct
import subprocess

from stage.agent import wait_for

SSH_AGENT_FAILURE, IDENTITIES_ANSWER = 5, 12


def dial(agent):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(agent.socket))  # blocking: a full backlog is waited for
    s.settimeout(10)
    return s


def frame(body):
    return struct.pack(">I", len(body)) + body


def answer(s):
    head = s.recv(4, socket.MSG_WAITALL)
    return s.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL) if len(head) == 4 else None


def still_serves(agent):
    with dial(agent) as s:
        s.sendall(frame(b"\x0b"))
        return answer(s)[0] == IDENTITIES_ANSWER


def test_broken_frames_close_only_their_connection(bench):
    with bench.agent([], signers=[]) as agent:
        for bad in (b"\xff\xff\xff\xff", struct.pack(">I", 256 * 1024 + 1), struct.pack(">I", 0)):
            with dial(agent) as s:
                s.sendall(bad + b"x" * 100)
                assert answer(s) is None, bad
            assert still_serves(agent)
        for partial in (b"", b"\0", b"\0\0\0\5\x0b"):
            with dial(agent) as s:
                s.sendall(partial)
            assert still_serves(agent)


def test_unknown_and_malformed_messages_fail(bench):
    with bench.agent([], signers=[]) as agent, dial(agent) as s:
        for body in (b"\x01", b"\x11abc", b"\x0d\0\0\0\x05ab", b"\xff" * 300, b"\x0bjunk"):
            s.sendall(frame(body))
            assert answer(s)[0] == SSH_AGENT_FAILURE, body
        s.sendall(frame(os.urandom(4096)))
        assert answer(s) is not None
        assert still_serves(agent)


def test_a_silent_client_holds_nobody_up(bench):
    with bench.agent([], signers=[]) as agent:
        silent = [dial(agent) for _ in range(200)]
        assert still_serves(agent)
        for s in silent:
            s.close()
        wait_for("connections to end", lambda: agent.status()["agent"]["open"] == 0)


def test_query_extension(bench):
    with bench.agent([], signers=[]) as agent, dial(agent) as s:
        s.sendall(frame(b"\x1b" + frame(b"query")))
        got = answer(s)
    assert got[0] == 29 and b"session-bind@openssh.com" in got


def test_flags_0_with_an_rsa_certificate_takes_the_request_s_algorithm(bench):
    """libssh2's own agent code and JSch send flags 0; the request names rsa-sha2-*."""
    agent = bench.with_key(bench.agent(), "web", "rsa", "--bits", "2048")
    with agent:
        agent.wait_active("web")
        kind, blob, _ = agent.list_blobs()[0]
        import base64
        blob = base64.b64decode(blob)
        for name in (b"rsa-sha2-256-cert-v01@openssh.com", b"rsa-sha2-512-cert-v01@openssh.com"):
            data = (frame(b"s" * 32) + b"\x32" + frame(b"user") + frame(b"ssh-connection") +
                    frame(b"publickey") + b"\1" + frame(name) + frame(blob))
            with dial(agent) as s:
                s.sendall(frame(b"\x0d" + frame(blob) + frame(data) + struct.pack(">I", 0)))
                got = answer(s)
            assert got[0] == 14 and name.split(b"-cert")[0] in got, got[:40]


def test_ssh_keygen_signs_files_but_random_bytes_are_refused(bench):
    agent = bench.with_key(bench.agent([bench.identity(offer="both")]))
    with agent:
        agent.wait_active("web")
        env = {**os.environ, "SSH_AUTH_SOCK": str(agent.socket)}
        public = bench.folder / "web.pub"
        public.write_text(agent.holdfast("key", "public", "web").stdout)
        done = subprocess.run(["ssh-add", "-T", public], env=env, capture_output=True)
        assert done.returncode != 0  # it asks for a signature of random bytes
        assert "neither" in agent.log() or "payload" in agent.log(), agent.log()
        message = bench.folder / "message"
        message.write_text("hello\n")
        subprocess.run(["ssh-keygen", "-Y", "sign", "-n", "file", "-f", public, message], env=env,
                       check=True, capture_output=True)
        allowed = bench.folder / "allowed"
        allowed.write_text(f"me {public.read_text()}")
        subprocess.run(["ssh-keygen", "-Y", "verify", "-n", "file", "-I", "me", "-f", allowed, "-s",
                        f"{message}.sig"], stdin=message.open(), check=True, capture_output=True)
