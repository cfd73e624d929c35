"""What the tests of holdfast-connect share: a run of the probe, a place with keys, odd hosts."""

import base64
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

from stage.sshd import SshAgent, certify, keygen, me

BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin"
STEPS = ["resolve", "tcp", "key-exchange", "host-key", "identity", "authentication", "session"]


class Run:
    """What connect_probe printed: .steps .end .error .output .errors .ms"""

    def __init__(self, helper=BIN / "holdfast-connect", **settings):
        arguments = []
        for name, value in settings.items():
            values = value if isinstance(value, list) else [value]
            arguments += [f"{name}={v}" for v in values]
        began = time.monotonic()
        done = subprocess.run([BIN / "connect_probe", helper, *arguments], capture_output=True,
                              text=True, timeout=100)
        self.ms = 1000 * (time.monotonic() - began)
        assert done.returncode == 0, done.stderr
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.end, self.events = lines[-1], lines[:-1]
        self.error = self.end.get("error", "")
        pieces = [(e["stderr"], base64.b64decode(e["output"])) for e in self.events if e["output"]]
        self.output = b"".join(p for is_stderr, p in pieces if not is_stderr)
        self.errors = b"".join(p for is_stderr, p in pieces if is_stderr)
        self.steps = {e["step"]: e for e in self.events if not e["output"]}

    def worked(self):
        assert self.end["done"] and self.end["failed"] == "" and self.end["exit"] == 0, self.end
        assert list(self.steps) == STEPS and all(e["ok"] for e in self.steps.values())
        return self

    def failed(self, step, code, *words):
        assert self.end["failed"] == step, self.end
        assert self.end["exit"] == 11 + STEPS.index(step)
        assert self.end["code"] == code, self.end
        assert not self.steps[step]["ok"] and self.steps[step]["error"] == self.error
        for word in words:
            assert str(word) in self.error
        return self


class Place:
    """A folder with a CA, one certified key in an agent, and an sshd that trusts the CA."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = keygen(folder / "ca")
        self.key = keygen(folder / "id")
        certify(self.ca, self.key, [me()], key_id="web", serial=7)
        self.known = folder / "known_hosts"

    def know(self, *lines):
        self.known.write_text("".join(f"{line}\n" for line in lines))

    def run(self, sshd, agent, **settings):
        return Run(**{"agent": agent.socket, "user": me(), "host": sshd.address, "port": sshd.port,
                      "known": self.known, **settings})


@contextlib.contextmanager
def an_agent(place, *keys, options=()):
    (place.folder / "other").mkdir(exist_ok=True)
    with SshAgent(place.folder / "other") as server:
        for key in keys:
            server.add(key, *options)
        yield server


class Listener:
    """Accepts, says @greeting, and nothing more."""

    def __init__(self, greeting=b"", hang_up=False):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.greeting, self.hang_up = greeting, hang_up
        self.address, self.port = self.server.getsockname()
        self.peers = []

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.server.accept()
                self.peers.append(peer)
                peer.sendall(self.greeting)
                if self.hang_up:
                    peer.close()

    def __enter__(self):
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for s in [self.server, *self.peers]:
            s.close()
