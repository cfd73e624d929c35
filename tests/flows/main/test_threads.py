"""What users of other agents asked for and did not get, numbered as the threads in the design's list
of peers. tests/rules/test_threads.py says where the other threads have their tests."""

import base64
import json
import os
import re
import subprocess
import time

import pytest

from main.conftest import MOUNT, ROLE
from main.ssh_client import ssh
from stage.agent import BIN, wait_for
from stage.sshd import me

CERT = {"p256": "ECDSA", "rsa": "RSA", "ed25519": "ED25519"}


def test_27_a_certificate_is_forwarded_with_the_agent(bench, place, sshd):
    """CertificateFile does not travel; a certificate that the agent itself shows does."""
    want = bench.want(extensions=["permit-agent-forwarding"])
    agent = bench.with_key(bench.agent([bench.identity(wants=[want])]))
    with agent:
        agent.wait_active("web")
        onward = (f"ssh -F none -p {sshd.port} -o BatchMode=yes "
                  f"-o UserKnownHostsFile={place}/home/.ssh/known_hosts "
                  f"{me()}@{sshd.address} 'echo second hop'")
        done = subprocess.run(
            ["ssh", "-A", "-F", "none", "-p", str(sshd.port), "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={place}/home/.ssh/known_hosts", f"{me()}@{sshd.address}",
             onward], text=True, capture_output=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": str(agent.socket), "HOME": str(place)})
        assert done.stdout.strip() == "second hop", f"{done.stderr}\n{agent.log()}\n{sshd.log()}"


def test_29_one_key_has_many_certificates(bench, bao, place, sshd):
    """Of another mount or issuer, which is another CA, of another role, or for longer; each signs."""
    bao.enable_ssh("second", "ops", allowed_users=me(), ttl="30m")
    bao.enable_ssh(MOUNT, "other", allowed_users=me(), ttl="30m")
    bao.api("POST", f"{MOUNT}/issuers/import/new-ca", {"generate_signing_key": True})
    bao.enable_ssh(MOUNT, "of-new-ca", allowed_users=me(), ttl="30m", issuer_ref="new-ca")
    bao.allow_sign("many", *(f"{MOUNT}/{role}" for role in (ROLE, "other", "of-new-ca")), "second/ops")
    wants = [bench.want(), bench.want(ttl="20m"), bench.want(role="other"),
             bench.want(role="of-new-ca"), bench.want(mount="second", role="ops")]
    agent = bench.with_key(bench.agent([bench.identity(wants=wants)],
                                       [bench.signer(bao.token(["many"], ttl="1h"))]))
    with agent:
        wait_for(agent.log, lambda: len(agent.list_blobs()) == 5)
        certs = agent.identity("web")["certificates"]
        assert len({c["ca"] for c in certs}) == 3 and len({c["serial"] for c in certs}) == 5
        for line in agent.list_blobs():
            only = bench.folder / "only.pub"
            only.write_text(" ".join(line) + "\n")
            done = subprocess.run(["ssh-keygen", "-Y", "sign", "-n", "file", "-f", only], text=True,
                                  input="words", capture_output=True,
                                  env={**os.environ, "SSH_AUTH_SOCK": str(agent.socket)})
            assert "BEGIN SSH SIGNATURE" in done.stdout, done.stderr
        ssh(agent, sshd, place, "true")


def test_32_a_long_certificate_comes_out_whole(bench, bao, place, sshd):
    """Others cut it off, or could not read what they did not know."""
    users = [me(), *(f"somebody-with-a-long-name-{n:03}" for n in range(200))]
    bao.enable_ssh(MOUNT, "long", allowed_users="*", ttl="30m")
    bao.allow_sign("long", f"{MOUNT}/long")
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(
        role="long", principals=users)])], [bench.signer(bao.token(["long"], ttl="1h"))]))
    with agent:
        agent.wait_active("web")
        (kind, blob, _), = agent.list_blobs()
        assert f"{kind} {blob}" == " ".join(agent.cert("web")["line"].split()[:2])
        assert len(base64.b64decode(blob)) > 5000
        ssh(agent, sshd, place, "true")


def test_33_a_renewed_certificate_takes_the_place_of_the_old(bench, place, sshd):
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
        for _ in range(4):
            agent.holdfast("renew", "web")
            assert len(agent.list_blobs()) == 1
            ssh(agent, sshd, place, "true")


def test_36_many_that_ask_for_a_renewal_share_one_request(bench, bao):
    agent = bench.with_key(bench.agent())
    with agent:
        before = agent.wait_active("web")["serial"]
        bao.pause()
        try:
            asking = [subprocess.Popen([BIN / "holdfast", "renew", "web"], env=agent.env(),
                                       stdout=subprocess.DEVNULL) for _ in range(5)]
            time.sleep(1)  # all of them are asking: the server does not answer yet
        finally:
            bao.resume()
        assert [p.wait(60) for p in asking] == [0] * 5
        assert agent.cert("web")["serial"] != before
        issued = [e for e in json.loads(agent.holdfast("audit", "--json").stdout)["lines"]
                  if e["event"] == "certificate-received"]
        assert len(issued) == 2, issued


def test_37_what_the_agent_shows_is_what_is_declared(bench, place, sshd):
    """No stale entries, and no hand that fills them again: also after the agent was killed."""
    agent = bench.with_key(bench.agent())
    agent.start()
    agent.wait_active("web")
    shown = agent.list_blobs()
    agent.kill()
    agent.settings["identities"][0]["name"] = "renamed"
    agent.write_config()
    with agent:
        agent.wait_active("renamed")
        assert len(agent.list_blobs()) == len(shown) == 1
        assert "renamed" in agent.list_blobs()[0][2]


def test_41_a_stock_client_needs_no_word_about_certificates(bench, bao, sshd):
    """gpg-agent has no certificates, so people kept files beside it; here no file has to be there."""
    home = bench.folder / "empty"
    home.mkdir()
    known = home / "known"
    known.write_text(sshd.known_hosts_line() + "\n")
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
        done = subprocess.run(
            ["ssh", "-F", "none", "-v", "-p", str(sshd.port), "-o", "BatchMode=yes",
             "-o", f"UserKnownHostsFile={known}", f"{me()}@{sshd.address}", "echo in"], text=True,
            capture_output=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": str(agent.socket), "HOME": str(home)})
        assert done.stdout == "in\n", done.stderr
        assert re.search("Server accepts key: .*-CERT .* agent", done.stderr), done.stderr


@pytest.mark.parametrize("kind", ["p256", "rsa", "ed25519"])
def test_43_a_client_that_knows_no_certificates_logs_in_with_one(bench, sshd, kind):
    """It takes what the agent shows for a key, whatever that is, and asks for a signature."""
    agent = bench.with_key(bench.agent(), "web", kind)
    with agent:
        agent.wait_active("web")
        done = subprocess.run([BIN / "plain_client", agent.socket, str(sshd.port), me()], text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, f"{done.stderr}\n{sshd.log()}\n{agent.log()}"
    assert sshd.logged(f"Accepted publickey for {me()} .* {CERT[kind]}-CERT")
