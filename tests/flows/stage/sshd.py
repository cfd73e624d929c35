"""A real sshd of a test's own, stock keys and certificates, and a stock ssh-agent.

    ca = keygen(folder / "ca")
    key = keygen(folder / "id", "p256")
    cert = certify(ca, key, principals=[me()])
    with SshAgent(folder) as agent, Sshd(folder, user_ca=ca) as sshd:
        agent.add(key)                     # with its certificate, KEY-cert.pub
        ... ssh -p sshd.port sshd.user@127.0.0.1 ...

Everything is made with ssh-keygen and lives in the given folder; sshd listens on a free port of
127.0.0.1 and lets in the user who runs the test, by key or certificate only. `stop()`, or leaving
the `with` block, ends what was started.
"""

import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

KINDS = {"ed25519": ["-t", "ed25519"], "p256": ["-t", "ecdsa", "-b", "256"],
         "p384": ["-t", "ecdsa", "-b", "384"], "p521": ["-t", "ecdsa", "-b", "521"],
         "rsa": ["-t", "rsa", "-b", "2048"]}


def sshd_program():
    """Path of sshd; None where there is none."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def me():
    """Name of the user who runs the test."""
    return pwd.getpwuid(os.getuid()).pw_name


def run(*command, **options):
    """Output of a command that must work."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def keygen(path, kind="ed25519"):
    """A new key pair: the private file's path; the public one is PATH.pub."""
    path = pathlib.Path(path)
    run("ssh-keygen", "-q", "-N", "", "-C", path.name, "-f", path, *KINDS[kind])
    return path


def public(path):
    """Path of a key's public file."""
    return pathlib.Path(f"{path}.pub")


def public_line(path):
    """"type base64" of a key."""
    return " ".join(public(path).read_text().split()[:2])


def fingerprint(path):
    """SHA256:... of a key."""
    return run("ssh-keygen", "-l", "-f", public(path)).split()[1]


def certify(ca, key, principals=(), host=False, key_id="test", serial=1, validity="-5m:+1h",
            options=()):
    """Path of a certificate for KEY.pub, KEY-cert.pub, signed by the private key @ca.

    @ca may also be the public file of a key that the agent in SSH_AUTH_SOCK holds: then its path
    ends in .pub."""
    command = ["ssh-keygen", "-q", "-s", ca, "-I", key_id, "-z", serial, "-V", validity]
    command += ["-U"] if str(ca).endswith(".pub") else []
    command += ["-h"] if host else []
    command += ["-n", ",".join(principals)] if principals else []
    for option in options:
        command += ["-O", option]
    run(*command, public(key))
    return pathlib.Path(f"{key}-cert.pub")


class SshAgent:
    """A stock ssh-agent on a socket in the folder: .socket, .add(), .remove(), .lines()."""

    def __init__(self, folder):
        self.socket = pathlib.Path(folder) / "ssh-agent.sock"
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.socket],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_that(self._answers, "ssh-agent listens", self.process)
        return self

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as s:  # it is there a moment before it listens
            return s.connect_ex(str(self.socket)) == 0

    def __exit__(self, *_):
        self.stop()

    def _add(self, *arguments, **options):
        return run("ssh-add", "-q", *arguments, **options,
                   env={**os.environ, "SSH_AUTH_SOCK": str(self.socket)})

    def add(self, key, *options):
        """Add a private key, and KEY-cert.pub where there is one."""
        self._add(*options, key)

    def remove(self, key):
        self._add("-d", key)

    def lines(self):
        """What it lists, as ssh-add -L does."""
        done = subprocess.run(["ssh-add", "-L"], capture_output=True, text=True,
                              env={**os.environ, "SSH_AUTH_SOCK": str(self.socket)})
        return done.stdout.splitlines() if done.returncode == 0 else []

    def stop(self):
        end(self.process)


class Sshd:
    """A stock sshd; what it trusts is given at the start.

    @host_keys:       kinds of host keys, made new
    @user_ca:         key whose certificates it takes for logins (TrustedUserCAKeys), or a list
    @principals:      list of lines for AuthorizedPrincipalsFile; None: the user's name
    @authorized_keys: keys that log in without a certificate
    @options:         further lines of sshd_config
    After: .port .user .address .host_key(kind) .known_hosts_name
    """

    def __init__(self, folder, host_keys=("ed25519",), user_ca=None, principals=None,
                 authorized_keys=(), options=()):
        self.folder = pathlib.Path(folder) / f"sshd-{free_port()}"
        self.folder.mkdir()
        self.user, self.address, self.port = me(), "127.0.0.1", free_port()
        self.kinds = list(host_keys)
        self.log_path, self.process = self.folder / "log", None
        for kind in self.kinds:
            keygen(self.host_key(kind), kind)
        cas = user_ca if isinstance(user_ca, (list, tuple)) else [user_ca] if user_ca else []
        self._file("user_ca", [public_line(ca) for ca in cas])
        self._file("authorized_keys", [public_line(key) for key in authorized_keys])
        if principals is not None:
            self._file("principals", principals)
        self.lines = [
            f"ListenAddress {self.address}", f"Port {self.port}", "PidFile none", "UsePAM no",
            "StrictModes no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin yes", "LogLevel VERBOSE", "UseDNS no",
            f"AuthorizedKeysFile {self.folder}/authorized_keys", *options,
            *([f"TrustedUserCAKeys {self.folder}/user_ca"] if cas else []),
            *([f"AuthorizedPrincipalsFile {self.folder}/principals"]
              if principals is not None else []),
            *(f"HostKey {self.host_key(kind)}" for kind in self.kinds)]

    def _file(self, name, lines):
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def known_hosts_name(self):
        return f"[{self.address}]:{self.port}"

    def known_hosts_line(self, kind="ed25519"):
        return f"{self.known_hosts_name} {public_line(self.host_key(kind))}"

    def host_key(self, kind="ed25519"):
        """Path of a host key's private file."""
        return self.folder / f"host_{kind}"

    def certify_host(self, ca, kind="ed25519", **fields):
        """Before start(): a host certificate; fields as of certify()."""
        cert = certify(ca, self.host_key(kind), host=True, **fields)
        self.lines.append(f"HostCertificate {cert}")
        return cert

    def start(self):
        config = self.folder / "sshd_config"
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        # OpenSSH 9.8 and later shut out an address that fails as often as tests do.
        config.write_text("\n".join([*self.lines, "PerSourcePenalties no", ""]))
        if subprocess.run([sshd_program(), "-t", "-f", config], capture_output=True).returncode:
            config.write_text("\n".join([*self.lines, ""]))
        self.process = subprocess.Popen([sshd_program(), "-D", "-f", config, "-E", self.log_path],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        await_that(self._answers, f"sshd listens: {self.log()}", self.process)

    def _answers(self):
        with socket.socket() as s:
            return s.connect_ex((self.address, self.port)) == 0

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def logged(self, pattern):
        """Does a line of the log match, now or within some seconds?"""
        try:
            await_that(lambda: re.search(pattern, self.log()), pattern, self.process)
        except AssertionError:
            return False
        return True

    def stop(self):
        end(self.process)


def await_that(is_so, what, process=None, seconds=10):
    """Return once is_so() holds; fail after some seconds, or when the process has ended."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"in vain: {what}"
        assert process is None or process.poll() is None, f"ended with {process.poll()}: {what}"
        time.sleep(0.01)


def end(process):
    """Ask a process that we started to end; insist when it does not."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
