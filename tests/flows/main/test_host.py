"""A host's key on a token: a stock sshd has the agent sign its key exchange, takes its certificate from
the file that the agent keeps, and a stock client trusts it by the CA's key from `holdfast vault ca`."""

import os
import subprocess

import pytest

from main.conftest import Bench
from stage.agent import ROOT, wait_for
from stage.sshd import Sshd, keygen, me

MOUNT, ROLE = "host-signer", "hosts"


@pytest.fixture
def host(bench: Bench, bao):
    """(agent, sshd, known_hosts): the sshd has no private host key."""
    bao.enable_ssh(MOUNT, ROLE, allow_user_certificates=False, allow_host_certificates=True,
                   allowed_domains="127.0.0.1", allow_bare_domains=True, default_extensions={})
    bao.allow_sign("hosts", f"{MOUNT}/{ROLE}")
    cert = bench.folder / "host-cert.pub"
    want = {"signer": "vault", "mount": MOUNT, "role": ROLE, "principals": ["127.0.0.1"],
            "type": "host", "file": str(cert), "ttl": "5m"}
    agent = bench.with_key(bench.agent([bench.identity(wants=[want])],
                                       [bench.signer(bao.token(["hosts"], ttl="1h"))]))
    with agent:
        agent.wait_active("web")
        public = bench.folder / "host.pub"
        public.write_text(agent.holdfast("key", "public", "web").stdout)
        user = keygen(bench.folder / "user")
        with Sshd(bench.folder, host_keys=(), authorized_keys=[user], options=[
                f"HostKey {public}", f"HostKeyAgent {agent.socket}",
                f"HostCertificate {cert}"]) as sshd:
            known = bench.folder / "known"
            known.write_text(agent.holdfast("vault", "ca", "vault", "--mount", MOUNT,
                                            "--hosts", f"[127.0.0.1]:{sshd.port}").stdout)
            yield agent, sshd, known, user, cert


def ssh(sshd, known, user, *options):
    return subprocess.run(
        ["ssh", "-F", "none", "-p", str(sshd.port), "-i", user, "-o", "IdentityAgent=none",
         "-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=none",
         "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", *options,
         f"{me()}@127.0.0.1", "echo in"], text=True, capture_output=True, timeout=60)


def test_a_client_needs_no_prompt(host):
    agent, sshd, known, user, cert = host
    assert known.read_text().startswith(f"@cert-authority [127.0.0.1]:{sshd.port} ssh-")
    done = ssh(sshd, known, user)
    assert done.stdout == "in\n", done.stderr + sshd.log() + agent.log()
    done = ssh(sshd, known, user, "-v", "-o", "KexAlgorithms=ecdh-sha2-nistp384")
    assert done.stdout == "in\n" and "ecdsa-sha2-nistp256-cert-v01" in done.stderr
    assert os.stat(cert).st_mode & 0o777 == 0o644
    known.write_text("")
    assert "Host key verification failed" in ssh(sshd, known, user).stderr


def test_what_sshd_complains_of_is_explained(host):
    """It tries to load a private key from where the public one is, says so, and works."""
    _, sshd, known, user, _ = host
    assert "Unable to load host key" in sshd.log()
    said = sshd.log().split("Unable to load host key")[1].splitlines()[0].split(": ")[1]
    manual = (ROOT / "agent/man/holdfast.yaml.5.scd").read_text()
    assert said in ("bad permissions", "error in libcrypto") and f'"{said}"' in manual
    assert ssh(sshd, known, user).stdout == "in\n"


def test_a_renewal_reaches_the_file(host):
    agent, sshd, known, user, cert = host
    before = cert.read_text()
    agent.holdfast("renew", "web")
    wait_for("another certificate in the file", lambda: cert.read_text() != before)
    shown = subprocess.run(["ssh-keygen", "-L", "-f", cert], text=True, capture_output=True).stdout
    assert "host certificate" in shown and "127.0.0.1" in shown
    assert ssh(sshd, known, user).stdout == "in\n"


def test_clients_are_not_shown_it(host):
    agent, _, _, _, _ = host
    assert agent.list_blobs() == []
