"""Who is measured: Holdfast, this machine's ssh-agent, and the two limits, each with its own token."""

import json
import os
import pathlib
import shutil
import subprocess

from stage.agent import BIN, BUILD, Agent, wait_for
from stage.bao import write_private

from keys import KEYS

TOOLS = BUILD / "bench"
LIST_BYTES = 1100  # about what a list of KEYS has


def tool(name, *args):
    """Run one of our tools; the JSON that it prints. A refusal or a broken connection is an error."""
    done = subprocess.run([TOOLS / name, *map(str, args)], text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(map(str, args))}: {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def family(pid):
    """A process and its children: an agent and its helpers."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def memory(pid):
    """Resident kB of a process and its children: {"rss": ..., "pss": ...}."""
    total = {"rss": 0, "pss": 0}
    for member in family(pid):
        for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            name = line.split(":")[0].lower()
            if name in total:
                total[name] += int(line.split()[1])
    return total


class Server:
    """Something that listens on a socket and is loaded with bench_load."""

    def load(self, mode, key=None, connections=1, seconds=1.0, warm=0.2, pause_us=0):
        return tool("bench_load", *self._options(key, connections, seconds, warm, pause_us), mode)

    def start_load(self, mode, key=None, connections=1):
        """The same without an end; the caller's `with` waits for what it terminates."""
        return subprocess.Popen([TOOLS / "bench_load", *map(str, self._options(
            key, connections, 3600, 0, 0)), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def _options(self, key, connections, seconds, warm, pause_us):
        key = ["-k", key] if key else []
        return ["-s", self.socket, *key, "-c", connections, "-d", seconds, "-w", warm, "-p", pause_us]

    def wait_ready(self):
        """Until each key was listed and has signed."""
        for key in KEYS:
            wait_for(f"{type(self).__name__}: {key} signs", lambda: self._signs(key), 30)

    def _signs(self, key):
        try:
            return self.load("sign", key, seconds=0.01, warm=0)["answers"] > 0
        except RuntimeError:
            return False

    def memory(self):
        return memory(self.pid)


class Holdfast(Server):
    def __init__(self, folder, token):
        token = token.copy(folder / "token")
        self.agent = Agent(folder, token, identities=[
            {"name": key, "key": f"{token.uri};object={key}", "offer": "key"} for key in KEYS])
        self.socket = self.agent.socket

    @property
    def pid(self):
        return self.agent.pid

    def start(self):
        self.agent.start()
        self.wait_ready()

    def stop(self):
        self.agent.stop()

    def version(self):
        return subprocess.run([BIN / "holdfast", "--version"], text=True,
                              capture_output=True).stdout.strip()


class SshAgent(Server):
    """ssh-agent, which starts one ssh-pkcs11-helper for the module."""

    def __init__(self, folder, token):
        self.folder = folder
        self.token = token.copy(folder / "token")
        self.socket = folder / "ssh-agent.sock"
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        env = {**os.environ, **self.token.env()}
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["ssh-agent", "-D", "-a", self.socket, "-P", "/usr/lib/*"], env=env, stdout=log,
                stderr=log)
        wait_for("ssh-agent's socket", self.socket.exists)
        askpass = write_private(self.folder / "askpass", f"#!/bin/sh\necho {self.token.pin}\n")
        askpass.chmod(0o700)
        subprocess.run(["ssh-add", "-q", "-s", self.token.module], check=True, capture_output=True, env={
            **env, "SSH_AUTH_SOCK": str(self.socket), "SSH_ASKPASS": str(askpass),
            "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":"})
        self.wait_ready()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()

    @staticmethod
    def version():
        return subprocess.run(["ssh", "-V"], text=True, capture_output=True).stderr.strip()


class NullAgent(Server):
    """bench_null: the limit of listing."""

    def __init__(self, folder):
        self.socket = folder / "null.sock"
        self.process = None

    def start(self):
        self.process = subprocess.Popen([TOOLS / "bench_null", self.socket, str(LIST_BYTES)])
        wait_for("bench_null's socket", self.socket.exists)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


class Module:
    """bench_raw: the limit of signing."""

    def __init__(self, folder, token):
        self.token = token.copy(folder / "token")

    def sign(self, key, threads, seconds):
        os.environ["SOFTHSM2_CONF"] = str(self.token.conf)
        return tool("bench_raw", "-m", self.token.module, "-t", self.token.label, "-k", key,
                    "-p", self.token.pin_file, "-c", threads, "-d", seconds)


class Stage:
    """All of them, in a folder of their own, started in order and stopped whatever happens."""

    def __init__(self, folder, token):
        folders = {name: pathlib.Path(folder) / name for name in ("h", "s", "n", "m")}
        for path in folders.values():
            path.mkdir()
        self.ours = Holdfast(folders["h"], token)
        self.peer = SshAgent(folders["s"], token)
        self.null = NullAgent(folders["n"])
        self.module = Module(folders["m"], token)
        self.servers = [self.ours, self.peer, self.null]

    def __enter__(self):
        try:
            for server in self.servers:
                server.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()
