"""A real OpenBao server of a test's own: TLS, a private folder, real sealing.

    with Bao() as bao:
        ca_line = bao.enable_ssh("ssh", "web", allowed_users="deploy")
        approle = bao.enable_approle("agent", policies=["ssh"])

The program is the one that HOLDFAST_BAO names, or build/deps/bao/bao of this tree, which `./dev`
installs. Only the standard library and the openssl command are needed. The server listens on a free
port of 127.0.0.1; what it stores is gone with stop(), unless Bao(persistent=True).
"""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]


def bao_program():
    """Path of the bao program; None where there is none."""
    named = os.environ.get("HOLDFAST_BAO") or ROOT / "build/deps/bao/bao"
    return str(named) if os.access(named, os.X_OK) else shutil.which("bao")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_private(path, text):
    """A file that only its owner may read."""
    path = pathlib.Path(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    return path


_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a test run that is killed leaves no server


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def lasts(days):
    """Arguments of `openssl x509`; expired with days=-1, which OpenSSL 3.5 takes as two moments only."""
    known = subprocess.run(["openssl", "x509", "-help"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True).stdout
    if days > 0 or "-not_after" not in known:
        return "-days", days
    ended = time.time() + days * 86400
    return sum((("-not_" + which, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)))
                for which, at in (("before", ended - 86400), ("after", ended))), ())


class Ca:
    """A CA made by the openssl command: .path is its certificate."""

    def __init__(self, folder, name="test CA"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", self.key, "-out", self.path, "-days", 2, "-subj", f"/CN={name}",
                 "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, name, subject_alt_name, usage="serverAuth", days=2):
        """(certificate, key) files for a server or a client; expired with days=-1."""
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject_alt_name}\nextendedKeyUsage={usage}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key,
                 "-CAcreateserial", "-out", cert, *lasts(days), "-extfile", extensions)
        return cert, key


class BaoError(Exception):
    """The server refused: .status and .errors, its own words."""

    def __init__(self, status, errors):
        super().__init__(f"HTTP {status}: {'; '.join(errors)}")
        self.status, self.errors = status, errors


class AppRole:
    """One AppRole: its role id, and secret ids on demand."""

    def __init__(self, bao, mount, name):
        self.bao, self.mount, self.name = bao, mount, name
        path = f"auth/{mount}/role/{name}/role-id"
        self.role_id = bao.api("GET", path)["data"]["role_id"]

    def secret_id(self):
        return self.bao.api("POST", f"auth/{self.mount}/role/{self.name}/secret-id",
                            {})["data"]["secret_id"]

    def wrapped_secret_id(self, ttl="5m"):
        """A wrapping token that can be exchanged for a secret id once."""
        return self.bao.api("POST", f"auth/{self.mount}/role/{self.name}/secret-id", {},
                            wrap_ttl=ttl)["wrap_info"]["token"]


class Bao:
    name = "one"

    def __init__(self, folder=None, persistent=False, outlives=False, ca=None, listener=None,
                 audited=False, settings=None):
        self._own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="bao-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.persistent = persistent
        self.outlives = outlives  # goes on when the process that started it ends
        self.listener = listener or {}  # more of its settings: {"tls_max_version": "tls12"}
        self.settings = settings or {}  # more of the server's own: {"api_addr": "https://..."}
        self.audit_path = self.folder / "audit.jsonl" if audited else None
        self.ca = ca or Ca(self.folder / "tls", "OpenBao test CA")
        self.ca_path = self.ca.path
        self.root_token = self.unseal_key = None
        self.port = self.cluster_port = self._process = None
        self._tls = ssl.create_default_context(cafile=str(self.ca_path))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- the process ---

    @property
    def address(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def start(self, timeout_s=60):
        """Start, and where it is new initialise and unseal. A persistent one keeps its port."""
        cert, key = self.ca.folder / "server.pem", self.ca.folder / "server.key"
        if not cert.exists():
            cert, key = self.ca.issue("server", "IP:127.0.0.1,DNS:localhost")
        for attempt in range(3):  # somebody may take the free port before the server does
            self.port = self.port or free_port()
            self.cluster_port = self.cluster_port or free_port()
            self._spawn(cert, key)
            if self._wait_for_answer(timeout_s):
                break
            self.stop()
            self.port = self.cluster_port = None
        else:
            raise RuntimeError("OpenBao does not start:\n" + self.log())
        self._set_up()

    def _set_up(self):
        if not self.seal_status()["initialized"]:
            made = self.api("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self.unseal_key, self.root_token = made["keys"][0], made["root_token"]
        self.unseal()

    def _spawn(self, cert, key):
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        raft = {"path": str(data), "node_id": self.name, "performance_multiplier": 1}
        config = self.folder / "config.json"
        config.write_text(json.dumps({
            "storage": {"raft": raft} if self.persistent else {"inmem": {}},
            "listener": [{"tcp": {"address": f"127.0.0.1:{self.port}", "tls_cert_file": str(cert),
                                  "tls_key_file": str(key),
                                  "cluster_address": f"127.0.0.1:{self.cluster_port}",
                                  **self.listener}}],
            "api_addr": self.address,
            "cluster_addr": f"https://127.0.0.1:{self.cluster_port}",
            **({"audit": [{"type": "file", "path": "to-file", "options": {
                "file_path": str(self.audit_path)}}]} if self.audit_path else {}),
            **self.settings,
        }))
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        with open(self.folder / "bao.log", "ab") as log:
            self._process = subprocess.Popen(
                [bao_program(), "server", f"-config={config}"], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=env, cwd=self.folder, start_new_session=self.outlives,
                preexec_fn=None if self.outlives else _die_with_parent)

    def _wait_for_answer(self, timeout_s):
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.seal_status()
                return True
            except (OSError, BaoError):
                time.sleep(0.05)
        return False

    def stop(self):
        """End the server: connections are refused from then on."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def pause(self):
        """Connections are still accepted by the kernel, but nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def log(self):
        return (self.folder / "bao.log").read_text(errors="replace")

    # --- the API ---

    def api(self, method, path, body=None, token=None, wrap_ttl=None, namespace=None):
        """One call with the root token (or @token; "" for none); {} for an empty answer."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        token = self.root_token if token is None else token
        for name, value in (("X-Vault-Token", token), ("X-Vault-Wrap-TTL", wrap_ttl),
                            ("X-Vault-Namespace", namespace)):
            if value:
                request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as answer:
                text = answer.read()
        except urllib.error.HTTPError as e:
            text = e.read()
            try:
                errors = json.loads(text).get("errors", [])
            except ValueError:
                errors = [text.decode(errors="replace")]
            raise BaoError(e.code, errors) from None
        return json.loads(text) if text else {}

    def cli(self, *args):
        """The bao command line as root; returns what it prints."""
        env = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder),
               "BAO_ADDR": self.address, "BAO_CACERT": str(self.ca_path),
               "BAO_TOKEN": self.root_token or ""}
        return subprocess.run([bao_program(), *args], check=True, env=env, text=True,
                              capture_output=True).stdout

    def requests(self, since=0):
        """What was asked of a server that is audited: its audit device's lines."""
        lines = map(json.loads, self.audit_path.read_text().splitlines()[since:])
        return [line for line in lines if line["type"] == "request"]

    def seal_status(self):
        return self.api("GET", "sys/seal-status", token="")

    def seal(self):
        self.api("PUT", "sys/seal")

    def unseal(self):
        self.api("PUT", "sys/unseal", {"key": self.unseal_key}, token="")
        until = time.monotonic() + 30
        while time.monotonic() < until:  # unsealed is not yet active, though it reads already
            try:
                leader = self.api("GET", "sys/leader", token="")
                elsewhere = leader.get("leader_address", "") not in (
                    "", self.settings.get("api_addr", self.address))
                if elsewhere or not self.api("GET", "sys/health", token="")["standby"]:
                    return
            except BaoError as e:
                if e.status not in (429, 500, 503):
                    raise
            time.sleep(0.02)
        raise RuntimeError("OpenBao stays on standby:\n" + self.log())

    # --- what tests need set up ---

    def policy(self, name, text):
        self.api("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def token(self, policies, **options):
        """A new token: policies, and for example ttl="1h", renewable=False."""
        made = self.api("POST", "auth/token/create", {"policies": policies, **options})
        return made["auth"]["client_token"]

    def enable_ssh(self, mount="ssh", role="web", **options):
        """Mount an SSH engine unless it is there, with a CA; write a role. Returns the CA's key."""
        if f"{mount}/" not in self.api("GET", "sys/mounts")["data"]:
            self.api("POST", f"sys/mounts/{mount}", {"type": "ssh"})
            self.api("POST", f"{mount}/config/ca", {"generate_signing_key": True})
        defaults = {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "*",
                    "default_extensions": {"permit-pty": ""}, "allowed_extensions": "permit-pty",
                    "ttl": "15m", "max_ttl": "1h"}
        self.api("POST", f"{mount}/roles/{role}", {**defaults, **options})
        return self.ssh_ca(mount)

    def enable_kv(self, mount="kv"):
        """Mount a KV v2 engine unless it is there."""
        if f"{mount}/" not in self.api("GET", "sys/mounts")["data"]:
            self.api("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
            until = time.monotonic() + 30
            while time.monotonic() < until:  # it upgrades itself for a moment
                try:
                    self.api("GET", f"{mount}/config")
                    return
                except BaoError:
                    time.sleep(0.02)

    def ssh_ca(self, mount="ssh"):
        return self.api("GET", f"{mount}/config/ca")["data"]["public_key"].strip()

    def allow_sign(self, policy, *paths):
        """A policy that may sign with these "mount/role" pairs: allow_sign("p", "ssh/web")."""
        rules = [f'path "{p.rsplit("/", 1)[0]}/sign/{p.rsplit("/", 1)[1]}" '
                 '{ capabilities = ["create", "update"] }\n' for p in paths]
        self.policy(policy, "".join(rules))

    def enable_pki(self, mount="pki", role="agent", **options):
        """Mount a PKI engine with a CA of its own unless it is there; write a role."""
        if f"{mount}/" not in self.api("GET", "sys/mounts")["data"]:
            self.api("POST", f"sys/mounts/{mount}", {"type": "pki",
                                                     "config": {"max_lease_ttl": "8760h"}})
            self.api("POST", f"{mount}/root/generate/internal",
                     {"common_name": "machines", "ttl": "8000h", "key_type": "ec"})
        defaults = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "any",
                    "client_flag": True, "server_flag": False, "ttl": "720h", "max_ttl": "2000h"}
        self.api("POST", f"{mount}/roles/{role}", {**defaults, **options})

    def pki_ca(self, mount="pki"):
        return self.api("GET", f"{mount}/cert/ca")["data"]["certificate"]

    def enable_cert(self, name, ca_pem, policies=(), mount="cert"):
        """Enable TLS certificate logins unless they are; trust a CA for clients."""
        if f"{mount}/" not in self.api("GET", "sys/auth")["data"]:
            self.api("POST", f"sys/auth/{mount}", {"type": "cert"})
        self.api("POST", f"auth/{mount}/certs/{name}",
                 {"certificate": ca_pem, "token_policies": list(policies), "token_ttl": "20m"})

    def enable_approle(self, name="agent", policies=(), mount="approle", **options):
        """Enable AppRole unless it is, write a role; options: token_ttl, secret_id_num_uses, ..."""
        if f"{mount}/" not in self.api("GET", "sys/auth")["data"]:
            self.api("POST", f"sys/auth/{mount}", {"type": "approle"})
        self.api("POST", f"auth/{mount}/role/{name}",
                 {"token_policies": list(policies), "token_ttl": "20m", "token_max_ttl": "1h",
                  **options})
        return AppRole(self, mount, name)


class _Follower(Bao):
    """A further node of a cluster: it joins the first one instead of beginning anew."""

    def __init__(self, folder, first, name, settings):
        super().__init__(folder, persistent=True, ca=first.ca, settings=settings)
        self.first, self.name = first, name
        self.root_token, self.unseal_key = first.root_token, first.unseal_key

    def _set_up(self):
        if not self.seal_status()["initialized"]:
            self.api("POST", "sys/storage/raft/join", token="",
                     body={"leader_api_addr": self.first.address,
                           "leader_ca_cert": self.ca_path.read_text()})
        self.unseal()


class BaoCluster:
    """Three nodes with Raft storage: .nodes, .leader(), .kill_leader(). settings: of each node, as Bao has them."""

    def __init__(self, settings=({}, {}, {})):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bao-cluster-"))
        self.nodes, self.settings = [], settings

    def __enter__(self):
        try:
            first = Bao(self.folder / "one", persistent=True, settings=self.settings[0])
            self.nodes.append(first)
            first.start()
            for name, settings in zip(("two", "three"), self.settings[1:]):
                self.nodes.append(_Follower(self.folder / name, first, name, settings))
                self.nodes[-1].start()
            self._wait_for_voters()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def root_token(self):
        return self.nodes[0].root_token

    @property
    def ca_path(self):
        return self.nodes[0].ca_path

    def _wait_for_voters(self):
        """A node that does not vote yet cannot take part in electing the next leader."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            servers = self.leader().api("GET", "sys/storage/raft/configuration")
            if sum(s["voter"] for s in servers["data"]["config"]["servers"]) == len(self.nodes):
                return
            time.sleep(0.1)
        raise RuntimeError("the nodes do not become voters:\n" + self.nodes[0].log())

    def leader(self, timeout_s=60):
        """The node that leads now; waits for an election."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for node in self.nodes:
                try:
                    if node.pid and node.api("GET", "sys/leader")["is_self"]:
                        return node
                except (OSError, BaoError):
                    pass
            time.sleep(0.05)
        raise RuntimeError("there is no leader:\n" + "\n".join(n.log() for n in self.nodes))

    def kill_leader(self):
        """SIGKILL; returns the name of the node."""
        node = self.leader()
        node._process.kill()
        node._process.wait()
        node._process = None
        return node.name
