"""`./dev demo --enroll`: a fresh machine logs in to OpenBao by a key that never leaves its token.

A one-time token, response-wrapped, takes an empty token to a key, a certificate of OpenBao's PKI engine
and a login with both; ssh logs in with a certificate got by that login. Then every file that the machine
keeps is searched for what would let another machine log in: there is nothing.
"""

import base64
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile
import time

from demo import MOUNT, ROLE, Demo
from stage.agent import BIN, Agent
from stage.bao import BaoError

SECRETS = {"a private key": rb"PRIVATE KEY", "a Vault token": rb"\b(hvs|s|b)\.[A-Za-z0-9_-]{20,}"}


def files_below(folder):
    return [p for p in pathlib.Path(folder).rglob("*") if p.is_file() and not p.is_symlink()]


def search(folders, words):
    """(path, what was found) for each file that holds one of the words, or what looks like a secret."""
    found = []
    for path in (p for folder in folders for p in files_below(folder)):
        content = path.read_bytes()
        found += [(path, name) for name, word in words.items() if word in content]
        found += [(path, name) for name, pattern in SECRETS.items() if re.search(pattern, content)]
    return found


def forms(words):
    """Each word as it is, in hexadecimal and in base64."""
    shapes = {"": bytes, " in hexadecimal": lambda w: w.hex().encode(),
              " in base64": lambda w: base64.b64encode(w).rstrip(b"=")}
    return {name + form: shape(word) for name, word in words.items()
            for form, shape in shapes.items()}


class EnrollDemo(Demo):
    def __init__(self, folder, keep):
        super().__init__(folder, False, keep)
        self.credentials = None

    # --- the PIN ---

    def seal_pin(self):
        """As a systemd credential: a file that only this machine's systemd opens. False: not here."""
        self.sealed = self.folder / "agent/pin.cred"
        self.sealed.parent.mkdir(parents=True, exist_ok=True)
        sealed = subprocess.run(["systemd-creds", "encrypt", "--name=pin", "-", self.sealed],
                                input=self.token.pin.encode(), capture_output=True) \
            if shutil.which("systemd-creds") else None
        return sealed is not None and sealed.returncode == 0

    def open_pin(self):
        """What systemd does for LoadCredentialEncrypted=: into memory, for this service alone."""
        self.credentials = pathlib.Path(tempfile.mkdtemp(prefix="hf-", dir="/dev/shm"))
        pin = self.credentials / "pin"
        subprocess.run(["systemd-creds", "decrypt", "--name=pin", self.sealed, pin], check=True,
                       capture_output=True)
        pin.chmod(0o400)

    def type_pin(self):
        """holdfast token unlock, at a terminal."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BIN / "holdfast", ["holdfast", "token", "unlock", "demo"], self.agent.env())
        said = b""
        while b": " not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, self.token.pin.encode() + b"\n")
        try:
            while os.read(terminal, 1024):
                pass
        except OSError:
            pass
        if os.waitpid(pid, 0)[1] != 0:
            raise RuntimeError(f"holdfast token unlock failed\n{self.agent.log()}")

    # --- the parts ---

    def set_up_engines(self):
        self.ca_line = self.bao.enable_ssh(MOUNT, ROLE, allowed_users=self.user, ttl="30m")
        self.bao.enable_pki()
        self.bao.policy("machine", f'path "{MOUNT}/sign/{ROLE}" {{ capabilities = ["update"] }}\n'
                                   'path "pki/sign/agent" { capabilities = ["update"] }\n')
        self.bao.policy("enroll", 'path "pki/sign/agent" { capabilities = ["update"] }\n')
        self.bao.enable_cert("machine", self.bao.pki_ca(), policies=["machine"])

    def make_one_time_token(self):
        made = self.bao.api("POST", "auth/token/create", {"policies": ["enroll"], "ttl": "10m"},
                            wrap_ttl="10m")["wrap_info"]
        self.one_time, self.accessor = made["token"], made["wrapped_accessor"]

    def configure(self):
        self.is_sealed = self.seal_pin()
        if self.is_sealed:
            self.open_pin()
        self.token.pin_file.unlink()  # nobody needs the file any more
        pins = [{"credential": "pin"}] if self.is_sealed else []
        signer = {"name": "vault", "vault": {
            "address": self.bao.address, "ca-bundle": str(self.bao.ca_path),
            "login": {"method": "cert", "key": f"{self.token.uri};object=holdfast-login",
                      "pki-mount": "pki", "pki-role": "agent"}}}
        identity = {"name": "demo", "key": f"{self.token.uri};object=demo", "certificates": [
            {"signer": "vault", "mount": MOUNT, "role": ROLE, "principals": [self.user]}]}
        self.agent = Agent(self.folder / "agent", self.token, [signer], [identity], pins=pins,
                           env={"CREDENTIALS_DIRECTORY": str(self.credentials)}
                           if self.is_sealed else {})
        self.agent.holdfast("config", "check")
        return "sealed as a systemd credential" if self.is_sealed else "asked for at a terminal"

    def start_agent(self):
        self.agent.start()
        if not self.is_sealed:
            self.agent.wait_token("locked")
            self.type_pin()
        self.agent.wait_token("ready")

    def make_ssh_key(self):
        return self.make_key("demo")

    def enroll(self):
        done = subprocess.run([BIN / "holdfast", "enroll", "vault", "--common-name", "demo-host",
                               "--token-file", "-"], env=self.agent.env(), text=True,
                              input=self.one_time + "\n", capture_output=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(done.stderr + self.agent.log())
        self.enrolled = done.stderr + done.stdout

    def see_one_time_gone(self):
        for path, body in (("auth/token/lookup-accessor", {"accessor": self.accessor}),
                           ("sys/wrapping/lookup", {"token": self.one_time})):
            try:
                self.bao.api("POST", path, body)
            except BaoError:
                continue
            raise RuntimeError(f"{path} still knows the one-time token")

    def get_certificate(self):
        self.agent.holdfast("renew", "demo")
        self.serial = self.agent.wait_active("demo")["serial"]
        return f"serial {self.serial}"

    def search_disk(self):
        """Everything but the token's own store, which stands for the hardware, and the server's."""
        folder = self.folder / "agent"
        self.searched = files_below(folder)
        found = search([folder], forms({"the PIN": self.token.pin.encode(),
                                        "the one-time token": self.one_time.encode()}))
        if found:
            raise RuntimeError("\n".join(f"{path}: {what}" for path, what in found))
        return f"{len(self.searched)} files"

    # --- what it was good for ---

    def proven(self):
        folder = self.folder / "agent"
        names = ", ".join(sorted(str(p.relative_to(folder)) for p in self.searched))
        pin = ("sealed in pin.cred, which only systemd on this machine opens" if self.is_sealed else
               "kept nowhere: it was asked for, at a terminal")
        return "\n".join((
            "- The login key was made on the token, and cannot be taken out of it.",
            "- Vault was logged in to by that key and its certificate, and the SSH key certified so.",
            "- The one-time token is unwrapped and revoked: Vault knows neither it nor its wrapping.",
            f"- The PIN, which opens nothing without the token, is {pin}.",
            f"- No file of the machine lets another one log in. Searched for the PIN and the one-time "
            f"token (as they are, in hexadecimal, in base64), for anything that looks like a Vault "
            f"token, and for private keys: {names}."))

    def trail(self):
        lines = (self.agent.state / "audit.jsonl").read_text().splitlines()
        return "\n".join(f"{t['event']:<22}{self.fact(t)}" for t in map(json.loads, lines))

    @staticmethod
    def fact(event):
        return event.get("statement") or event.get("subject") or f"serial {event.get('serial')}"

    def key_attributes(self):
        shown = self.agent.holdfast("key", "show", "holdfast-login", "--prove").stdout
        return "\n".join(line for line in shown.splitlines()
                         if not line.startswith(("uri ", "public ")))

    # --- the story ---

    def play(self):
        run = self.steps.run
        self.user = subprocess.run(["id", "-un"], text=True, capture_output=True).stdout.strip()
        run("a SoftHSM2 token with a PIN, and nothing on it", self.make_token)
        run("an OpenBao server over TLS on {}", self.start_bao)
        run("its SSH and PKI engines, and cert logins for whom the PKI certifies",
            self.set_up_engines)
        run("a one-time token for this machine, response-wrapped", self.make_one_time_token)
        run("holdfast.yaml, checked; the PIN is {}", self.configure)
        run("holdfast-agent started, the token unlocked", self.start_agent)
        run("a key for SSH, made on the token: {}", self.make_ssh_key)
        run("holdfast enroll: a login key on the token, its certificate, a login by them", self.enroll)
        run("the one-time token is gone", self.see_one_time_gone)
        run("the SSH key is certified by that login: {}", self.get_certificate)
        run("an sshd that trusts only that CA, on {}", self.start_sshd)
        run("the stock ssh logs in through the agent: {}", self.ssh)
        run("no file holds a secret that would let another machine log in: {} searched",
            self.search_disk)
        self.steps.show("What enroll said", self.enrolled, indent=27)
        self.steps.show("The login key cannot leave", self.key_attributes())
        self.steps.show("The audit trail", self.trail())
        self.steps.show("What was proven", self.proven(), indent=2)
        print(f"All of it took {time.monotonic() - self.steps.start:.1f} s.")

    def stop(self):
        super().stop()
        if self.credentials:
            shutil.rmtree(self.credentials, ignore_errors=True)
