"""What users of other agents asked for and did not get, numbered as the threads in the design's list
of peers. tests/rules/test_threads.py says where the other threads have their tests."""

import json
import subprocess
import time

from main.ssh_client import ssh
from stage.agent import BIN, wait_for
from stage.sshd import me


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


def test_29_one_key_has_many_certificates(bench, bao):
    wants = [bench.want(ttl=ttl) for ttl in ("5m", "10m", "20m")]
    agent = bench.with_key(bench.agent([bench.identity(wants=wants)]))
    with agent:
        wait_for(agent.log, lambda: len(agent.list_blobs()) == 3)
        assert len({blob for _, blob, _ in agent.list_blobs()}) == 3


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
