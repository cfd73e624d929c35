"""Where secrets must not be: with every kind of them in use, at the most talkative log level, while
things go wrong.

Searched are the log, what status and the API say, every file that the agent writes, and of each of
its processes the environment, the arguments and whether it could leave a core. The memory of
holdfast-agent is searched too, for what it must never have held or no longer holds. The memory of
holdfast-vault and holdfast-token is not: they have their secrets to use them, and libcurl, OpenSSL
and the vendor's library keep copies that nobody else can wipe; what bounds those is that the
process cannot be dumped.
"""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile

import pytest

from stage.agent import Agent, wait_for
from stage.bao import Bao, BaoError, Ca, bao_program, write_private
from stage.jwt import Issuer
from stage.token import SoftToken
from vault.servers import FakeVault

PIN = "PIN-71b0c5e2a94d4f08"
PASSWORD = "pass-3f9de1f00a7c4e55 with words"
ISSUED = "hvs.issued-5d4b8f8a3c6e47d1"  # the Vault token of a login: no real server tells a test which


@pytest.fixture(scope="module")
def place():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))  # short: socket paths have 107 bytes
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sealable():
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with Bao() as bao:
        bao.enable_ssh("ssh", "web", allowed_users="deploy")
        bao.allow_sign("ssh", "ssh/web")
        yield bao


class Relay(FakeVault):
    """A server that gives everybody the same Vault token and has a real one sign."""

    def __init__(self, folder, bao):
        super().__init__(Ca(folder / "relay", "relay CA"))
        self.bao = bao
        auth = {"client_token": ISSUED, "lease_duration": 600, "renewable": True}
        self.answers["/v1/auth/userpass/login/bob"] = 200, {}, json.dumps({"auth": auth}).encode()
        self.answers["/v1/ssh/sign/web"] = self.sign

    def sign(self, _):
        try:
            return 200, {}, json.dumps(self.bao.api("POST", "ssh/sign/web", json.loads(
                self.requests[-1]["body"]))).encode()
        except BaoError as e:
            return e.status, {}, json.dumps({"errors": e.errors}).encode()


@pytest.fixture(scope="module")
def relay(place, sealable):
    with Relay(place, sealable) as server:
        yield server


def logins(bao, relay, folder):
    """(signers, environment, secrets): one of each kind."""
    issuer = Issuer(folder)
    for kind in ("userpass", "jwt"):
        bao.api("POST", f"sys/auth/{kind}", {"type": kind})
    bao.api("POST", "auth/userpass/users/alice", {"password": PASSWORD, "token_policies": ["ssh"]})
    bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public_pem]})
    bao.api("POST", "auth/jwt/role/agent", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": "agent", "token_policies": ["ssh"]})
    role = bao.enable_approle("agent", policies=["ssh"])
    secrets = {"PIN": PIN, "password": PASSWORD, "JWT": issuer.token(), "secret id": role.secret_id(),
               "token of a file": bao.token(["ssh"]), "token of the environment": bao.token(["ssh"])}
    files = {name: str(write_private(folder / name.replace(" ", "-"), value + "\n"))
             for name, value in secrets.items()}
    (folder / "role-id").write_text(role.role_id)
    methods = {
        "file": {"method": "token", "token-file": files["token of a file"]},
        "env": {"method": "token", "token-environment": "HOLDFAST_TEST_TOKEN"},
        "approle": {"method": "approle", "role-id-file": str(folder / "role-id"),
                    "secret-id-file": files["secret id"], "revoke-on-stop": "yes"},
        "userpass": {"method": "userpass", "user": "alice", "password-file": files["password"]},
        "jwt": {"method": "jwt", "role": "agent", "jwt-file": files["JWT"]},
    }
    signers = [{"name": name, "vault": {"address": bao.address, "ca-bundle": str(bao.ca_path),
                                        "login": login}} for name, login in methods.items()]
    signers.append({"name": "issued", "vault": {
        "address": relay.address, "ca-bundle": str(relay.ca_path),
        "login": {**methods["userpass"], "user": "bob"}}})
    secrets["issued token"] = ISSUED
    return signers, {"HOLDFAST_TEST_TOKEN": secrets["token of the environment"]}, secrets


@pytest.fixture(scope="module")
def running(place, sealable, relay):
    """An agent that has used every secret, met errors with most of them, and still runs."""
    signers, env, secrets = logins(sealable, relay, place)
    token = SoftToken(place / "token", pin=PIN)
    wants = [{"signer": s["name"], "mount": "ssh", "role": "web", "principals": [who], "ttl": "5m"}
             for s in signers for who in ("deploy", "nobody-that-may")]
    identity = {"name": "web", "key": f"{token.uri};object=web", "certificates": wants}
    agent = Agent(place / "a", token, signers, [identity], env=env)
    agent.settings["agent"]["log"] = "debug"
    agent.write_config()
    agent.holdfast("key", "generate", "--label", "web", "--type", "p256")
    cores = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (cores[1], cores[1]))  # the agent inherits them
    try:
        with agent:
            use_and_break(agent, sealable)
            assert any(r["headers"].get("X-Vault-Token") == ISSUED for r in relay.requests)
            yield agent, secrets
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, cores)


def use_and_break(agent, bao):
    def certificates():
        return agent.identity("web")["certificates"]

    def all_tried():
        good, refused = certificates()[0::2], certificates()[1::2]
        return (all(c["state"] == "active" for c in good) and all(c["error"] for c in refused))

    wait_for(lambda: f"every certificate\n{certificates()}\n{agent.log()}", all_tried, 60)
    bao.seal()
    agent.holdfast("renew", "web", check=False)
    os.kill(agent.helpers("holdfast-vault")[0], signal.SIGABRT)  # a crash
    wait_for(agent.log, lambda: "signal 6" in agent.log())
    agent.holdfast("renew", "web", check=False)
    bao.unseal()
    agent.holdfast("renew", "web", check=False)
    wait_for(lambda: f"certificates again\n{certificates()}\n{agent.log()}", all_tried, 90)


def processes(agent):
    pids = [agent.pid]
    for pid in pids:
        found = subprocess.run(["pgrep", "-P", str(pid)], text=True, capture_output=True)
        pids += map(int, found.stdout.split())
    return pids


def hits(data, secrets):
    return [name for name, value in secrets.items() if value.encode() in data]


def test_in_the_log_and_the_status(running):
    agent, secrets = running
    log = agent.log()
    assert "403" in log or "denied" in log or "nobody-that-may" in log  # it does talk of errors
    assert hits(log.encode(), secrets) == []
    for command in (["status", "--json"], ["status"], ["token", "list"], ["config", "show"]):
        done = agent.holdfast(*command, check=False)
        assert hits((done.stdout + done.stderr).encode(), secrets) == [], command


def test_in_files(running):
    agent, secrets = running
    seen = 0
    for path in agent.folder.rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else None
        except FileNotFoundError:
            continue  # a temporary one that has its name by now, and is looked at under that
        if data is not None:
            seen += 1
            assert hits(data, secrets) == [], path
    assert seen >= 3  # configuration, log, state


def test_in_proc(running):
    agent, secrets = running
    pids = processes(agent)
    names = [pathlib.Path(f"/proc/{p}/comm").read_text().strip() for p in pids]
    assert {"holdfast-agent", "holdfast-token", "holdfast-vault"} <= set(names)
    for pid in pids:
        for file in ("environ", "cmdline", "status", "maps", "comm"):
            data = pathlib.Path(f"/proc/{pid}/{file}").read_bytes()
            assert hits(data, secrets) == [], (pid, file)


def test_no_process_leaves_a_core(running):
    agent, _ = running
    for pid in processes(agent):
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        soft, hard = re.search(r"Max core file size +(\S+) +(\S+)", limits).groups()
        assert (soft, hard) == ("0", "0"), pid


def memory(pid):
    """What of a process can be read, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            name = line.split()[5] if len(line.split()) > 5 else ""
            if not rights.startswith("rw") or name in ("[vvar]", "[vsyscall]") or end - begin > 1 << 32:
                continue
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, OverflowError, ValueError):
                continue


def test_the_agent_has_none_that_it_does_not_keep(running):
    """It forwards the PIN and forgets it, and opens no file of a login; the token that came by its
    environment it keeps for a helper that dies, in the secure heap."""
    agent, secrets = running
    if os.geteuid() != 0:
        pytest.skip("only root may read the memory of a process that cannot be dumped")
    found = {name for piece in memory(agent.pid) for name in hits(piece, secrets)}
    assert found == {"token of the environment"}  # so the search does find what is there
