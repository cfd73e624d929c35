"""holdfast-agent with a configuration of a test's own.

    with Agent(folder, token, signers=[...], identities=[...]) as agent:
        agent.wait_active("web")
        agent.holdfast("status", "--json")
        agent.ssh(sshd, "id -un")

HOLDFAST_BUILD names the build folder whose programs are used.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build/asan"))
BIN = BUILD / "bin"


def wait_for(what, condition, timeout_s=30, step_s=0.05):
    """The condition's first true value; an AssertionError that names @what after the timeout."""
    until = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(step_s)


def vault_signer(bao, name="vault", **login):
    """A signer for holdfast.yaml; login defaults to a token file beside the server."""
    return {"name": name, "vault": {"address": bao.address, "ca-bundle": str(bao.ca_path),
                                    "login": login}}


class Agent:
    def __init__(self, folder, token, signers=(), identities=(), pins=None, tokens=None,
                 modules=None, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.token = token
        self.socket = self.folder / "agent.sock"
        self.control = self.folder / "control.sock"
        self.config = self.folder / "holdfast.yaml"
        self.state = self.folder / "state"
        self.extra_env = env or {}
        self._process = None
        self._log = self.folder / "agent.log"
        pins = [{"file": str(token.pin_file)}] if pins is None else pins
        self.settings = {
            "agent": {"socket": str(self.socket), "control": str(self.control),
                      "state": str(self.state), "log": "info"},
            "modules": modules or [{"name": "softhsm", "path": token.module}],
            "tokens": tokens or [{"name": token.label, "uri": token.uri, "pin": pins}],
            "signers": list(signers),
            "identities": list(identities),
        }
        self.write_config()

    def write_config(self):
        self.config.write_text(json.dumps(self.settings, indent=2))  # JSON is YAML

    def __enter__(self):
        return self.start()

    def __exit__(self, failed, *_):
        status = self.stop()
        log = self.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log
        if not failed:
            assert status == 0, f"holdfast-agent ended with {status}:\n{log}"

    # --- the process ---

    @property
    def pid(self):
        return self._process.pid

    def env(self):
        return {**os.environ, **self.token.env(), **self.extra_env,
                "HOLDFAST_CONFIG": str(self.config)}

    def start(self, wait=True):
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([BIN / "holdfast-agent"], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log, env=self.env(),
                                             start_new_session=True)
        if wait:
            wait_for(lambda: "the agent's socket\n" + self.log(), self._listens_or_died)
        return self

    def _listens_or_died(self):
        assert self._process.poll() is None, "holdfast-agent ended:\n" + self.log()
        with socket.socket(socket.AF_UNIX) as s:
            return self.control.exists() and s.connect_ex(str(self.control)) == 0

    def stop(self):
        """A clean end; returns the exit status."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        return self._process.returncode if self._process else 0

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def helpers(self, program):
        """Pids of the agent's helpers of this name."""
        found = subprocess.run(["pgrep", "-P", str(self.pid), "-x", program[:15]], text=True,
                               capture_output=True)
        return [int(pid) for pid in found.stdout.split()]

    # --- using it ---

    def holdfast(self, *args, check=True, stdin=subprocess.DEVNULL, env=None):
        """The command line; with check the exit status must be 0."""
        done = subprocess.run([BIN / "holdfast", *map(str, args)], env={**self.env(), **(env or {})},
                              text=True, capture_output=True, stdin=stdin, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"holdfast {' '.join(map(str, args))}: {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}\n{self.log()}")
        return done

    def status(self):
        return json.loads(self.holdfast("status", "--json").stdout)

    def identity(self, name):
        return next(i for i in self.status()["identities"] if i["name"] == name)

    def cert(self, name, k=0):
        return self.identity(name)["certificates"][k]

    def wait_active(self, name, timeout_s=30):
        """Until the identity is there and has a certificate; returns it."""
        def active():
            found = [i for i in self.status()["identities"] if i["name"] == name]
            cert = found[0]["certificates"][0] if found else {"state": None}
            return cert if cert["state"] in ("active", "renewing") else None
        return wait_for(lambda: f"a certificate for {name}: {self.status()['identities']}\n"
                        f"{self.log()}", active, timeout_s)

    def wait_cached(self, name):
        """Until its certificate is on the disk, to be found after a kill."""
        serial = int(self.wait_active(name)["serial"]).to_bytes(8, "big")
        folder = self.state / "certificates"
        wait_for(lambda: f"the certificate of {name} on the disk\n{self.log()}",
                 lambda: folder.is_dir() and any(serial in file.read_bytes()
                                                 for file in folder.iterdir()
                                                 if not file.name.startswith(".")))

    def wait_token(self, state, timeout_s=30):
        def reached():  # one that is locked without a reason is just being opened
            return [t for t in self.status()["tokens"] if t["state"] == state
                    and (state != "locked" or t["error"] is not None)]
        return wait_for(lambda: f"a token that is {state}: {self.status()['tokens']}\n{self.log()}",
                        reached, timeout_s)[0]

    def list_blobs(self):
        """What ssh-add -L shows: lines of type, base64, comment."""
        done = subprocess.run(["ssh-add", "-L"], text=True, capture_output=True,
                              env={**os.environ, "SSH_AUTH_SOCK": str(self.socket)})
        return [line.split(" ", 2) for line in done.stdout.splitlines() if line.startswith(
            ("ssh-", "ecdsa-"))]
