"""The main job on real parts, step by step: `./dev demo` runs this.

A key is made on a SoftHSM2 token and never leaves it; OpenBao (or, with --ca, a CA key on the same
token) signs its public half; the stock ssh and libssh2 log in to a stock sshd with the certificate;
a renewal is seen. Everything lives in one temporary folder and is gone at the end, unless --keep.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

from stage.agent import BIN, Agent, wait_for
from stage.bao import Bao, write_private
from stage.sshd import Sshd
from stage.token import SoftToken

TTL_S = 12
MOUNT, ROLE = "ssh-client-signer", "my-role"


def wrapped(text, indent):
    """At most as wide as the terminal; words that are longer stay whole."""
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    return textwrap.fill(text, width, subsequent_indent=" " * indent, break_long_words=False,
                         break_on_hyphens=False, drop_whitespace=True)


class Steps:
    """Prints each step as it happens: a tick, what was done, how long."""

    def __init__(self):
        self.color = sys.stdout.isatty()
        self.start = time.monotonic()

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.color else text

    def run(self, what, action):
        """@what may use {} for the action's answer."""
        start = time.monotonic()
        try:
            answer = action()
        except Exception as e:
            print(f"{self.paint(31, '✗')} {what.format('')}\n\n{e}", flush=True)
            sys.exit(1)
        took = f"({time.monotonic() - start:.1f} s)"
        line = wrapped(f"✓ {what.format(answer or '')} {took}", 2)
        line = line.replace("✓", self.paint(32, "✓"), 1)
        print(line[:line.rindex("(")] + self.paint(2, line[line.rindex("("):]), flush=True)
        return answer

    def show(self, title, text, indent=None):
        """@indent: wrap lines, items with that much in front of what goes on; None: as they are."""
        print(f"\n{self.paint(1, title)}")
        for line in text.strip("\n").splitlines():
            more = indent if line[:1] in "✓-" else 0
            print(f"    {line}" if indent is None else wrapped("    " + line, 4 + (more or 0)))
        print(flush=True)


class Demo:
    def __init__(self, folder, use_ca, keep):
        self.folder, self.use_ca, self.keep = pathlib.Path(folder), use_ca, keep
        self.bao = self.sshd = self.agent = None
        self.steps = Steps()

    # --- the parts ---

    def make_token(self):
        self.token = SoftToken(self.folder / "token", "demo")

    def start_bao(self):
        self.bao = Bao(self.folder / "bao", outlives=self.keep)
        self.bao.start()
        return self.bao.address

    def set_up_engine(self):
        self.ca_line = self.bao.enable_ssh(MOUNT, ROLE, allowed_users="root,demo," + os.environ.get(
            "USER", "root"), ttl="30m")
        self.bao.allow_sign("demo", f"{MOUNT}/{ROLE}")
        approle = self.bao.enable_approle("holdfast", policies=["demo"])
        self.role_id = write_private(self.folder / "role-id", approle.role_id)
        self.secret_id = write_private(self.folder / "secret-id", approle.secret_id())

    def signer(self):
        if self.use_ca:
            return {"name": "lab", "ca": {"key": f"{self.token.uri};object=ca", "roles": [
                {"name": ROLE, "principals": [self.user], "ttl": "30m",
                 "extensions": ["permit-pty"]}]}}
        return {"name": "vault", "vault": {
            "address": self.bao.address, "ca-bundle": str(self.bao.ca_path),
            "login": {"method": "approle", "role-id-file": str(self.role_id),
                      "secret-id-file": str(self.secret_id)}}}

    def configure(self):
        want = {"signer": "lab" if self.use_ca else "vault", "role": ROLE,
                "principals": [self.user], "ttl": f"{TTL_S}s"}
        if not self.use_ca:
            want["mount"] = MOUNT
        self.agent = Agent(self.folder / "agent", self.token, [self.signer()], [
            {"name": "demo", "key": f"{self.token.uri};object=demo", "certificates": [want]}])
        self.agent.holdfast("config", "check")

    def make_key(self, label):
        key = json.loads(self.agent.holdfast("key", "generate", "--label", label, "--json").stdout)
        return f"{key['type']} {key['fingerprint']}"

    def start_sshd(self):
        if self.use_ca:
            self.ca_line = self.agent.holdfast("key", "public", "ca").stdout.strip()
        ca = self.folder / "ca"
        ca.with_suffix(".pub").write_text(self.ca_line + "\n")
        self.sshd = Sshd(self.folder, user_ca=ca)
        self.sshd.start()
        self.known_hosts = self.folder / "known_hosts"
        self.known_hosts.write_text(self.sshd.known_hosts_line() + "\n")
        return f"{self.sshd.address}:{self.sshd.port}"

    def start_agent(self):
        self.agent.start()
        cert = self.agent.wait_active("demo")
        self.serial = cert["serial"]
        return f"serial {cert['serial']}, {cert['seconds_left']} s left"

    # --- using them ---

    def ssh_command(self, *command):
        return ["ssh", "-F", "none", "-p", str(self.sshd.port), "-o",
                f"IdentityAgent={self.agent.socket}", "-o",
                f"UserKnownHostsFile={self.known_hosts}", "-o", "BatchMode=yes",
                f"{self.user}@{self.sshd.address}", *command]

    def ssh(self):
        done = subprocess.run(self.ssh_command("echo $(id -un) is in"), text=True,
                              capture_output=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"ssh: {done.stderr}\n{self.sshd.log()}\n{self.agent.log()}")
        return f"\"{done.stdout.strip()}\""

    def connect_command(self):
        return ["connect", "--known-hosts", str(self.known_hosts),
                f"{self.user}@{self.sshd.address}:{self.sshd.port}"]

    def libssh2(self):
        self.connected = self.agent.holdfast(*self.connect_command()).stderr

    def see_renewal(self):
        def renewed():
            cert = self.agent.cert("demo")
            return cert if cert["serial"] not in (None, self.serial) else None
        cert = wait_for(self.agent.log, renewed, TTL_S + 10, 0.2)
        return f"serial {cert['serial']}"

    def certificate(self):
        line = next(" ".join(blob) for blob in self.agent.list_blobs() if "-cert-" in blob[0])
        shown = subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=line + "\n", text=True,
                               capture_output=True, check=True).stdout
        return shown

    def proof(self):
        return self.agent.holdfast("key", "show", "demo", "--prove").stdout

    # --- the story ---

    def play(self):
        run = self.steps.run
        self.user = subprocess.run(["id", "-un"], text=True, capture_output=True).stdout.strip()
        run("a SoftHSM2 token with a PIN", self.make_token)
        if not self.use_ca:
            run("an OpenBao server over TLS on {}", self.start_bao)
            run(f"its SSH engine {MOUNT} with role {ROLE}, and an AppRole login", self.set_up_engine)
        run("holdfast.yaml, checked", self.configure)
        if self.use_ca:
            run("a CA key, made on the token: {}", lambda: self.make_key("ca"))
        run("a key, made on the token: {}", lambda: self.make_key("demo"))
        run("an sshd that trusts only that CA, on {}", self.start_sshd)
        run("holdfast-agent started; the token-held key is certified: {}", self.start_agent)
        run("the stock ssh logs in through the agent: {}", self.ssh)
        run("the libssh2 connection test logs in", self.libssh2)
        run(f"the certificate lives {TTL_S} s and was renewed: {{}}", self.see_renewal)
        run("ssh logs in with the new one: {}", self.ssh)
        self.steps.show("The connection test", self.connected)
        self.steps.show("The certificate, as ssh-keygen -L shows it", self.certificate())
        self.steps.show("The private key cannot leave", self.proof())
        print(f"All of it took {time.monotonic() - self.steps.start:.1f} s.")

    def stop(self):
        for part in (self.agent, self.sshd, self.bao):
            if part:
                part.stop()

    def leave_running(self):
        """--keep: what to set and what to try."""
        commands = [" ".join(map(shlex.quote, self.ssh_command())), "holdfast status",
                    " ".join(map(shlex.quote, ["holdfast", *self.connect_command()]))]
        print(f"\nLeft running. In your shell:\n\n    export PATH={BIN}:$PATH\n"
              f"    export HOLDFAST_CONFIG={self.agent.config}\n"
              f"    export SSH_AUTH_SOCK={self.agent.socket}\n"
              f"    export SOFTHSM2_CONF={self.token.conf}\n\nThen try:\n")
        for command in commands:
            print(f"    {command}")
        pids = [str(p) for p in (self.agent.pid, self.sshd.process.pid,
                                 self.bao.pid if self.bao else None) if p]
        print(f"\nTo end it: kill {' '.join(pids)}; rm -rf {self.folder}")


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description="the main job on real parts")
    parser.add_argument("--ca", action="store_true", help="no Vault: sign with a CA key on the token")
    parser.add_argument("--enroll", action="store_true",
                        help="a fresh machine logs in to OpenBao by a key on its token")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="holdfast-demo-")
    if options.enroll:
        from demo_enroll import EnrollDemo  # which imports this file
        demo = EnrollDemo(folder, options.keep)
    else:
        demo = Demo(folder, options.ca, options.keep)
    keep = False
    try:
        demo.play()
        keep = options.keep
        if keep:
            demo.leave_running()
    finally:
        if not keep:
            demo.stop()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
