"""The built-in signer: a CA key on a token, roles, revoking, and the trail of all it gave."""

import json
import random
import subprocess
import time

import pytest

from stage.agent import BIN, Agent, wait_for
from stage.sshd import Sshd, me
from stage.token import SoftToken

from .ssh_client import ssh


class Place:
    """A token with a CA and a login key, and a host that reads the CA's list of what is revoked."""

    def __init__(self, folder, keys=("ca", "web")):
        self.folder = folder
        self.token = SoftToken(folder / "token")
        roles = [{"name": "ops", "principals": [me()], "ttl": "30m", "extensions": ["permit-pty"]}]
        signer = {"name": "lab", "ca": {"key": f"{self.token.uri};object=ca", "roles": roles}}
        want = {"signer": "lab", "role": "ops", "principals": [me()], "ttl": "10m"}
        self.agent = Agent(folder / "a", self.token, [signer], [
            {"name": "web", "key": f"{self.token.uri};object=web", "certificates": [want]}])
        for label in keys:
            self.agent.holdfast("key", "generate", "--label", label)
        if keys:
            (folder / "ca.pub").write_text(self.agent.holdfast("key", "public", "ca").stdout)
        self.krl = self.agent.state / "ca-lab.krl"

    def sshd(self):
        server = Sshd(self.folder, user_ca=self.folder / "ca", options=[f"RevokedKeys {self.krl}"])
        home = self.folder / "home/.ssh"
        home.mkdir(parents=True)
        (home / "known_hosts").write_text(server.known_hosts_line() + "\n")
        return server

    def cert(self):
        return self.agent.cert("web")

    def events(self):
        return json.loads(self.agent.holdfast("audit", "--json").stdout)["lines"]


@pytest.fixture
def lab(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("ca"))


def test_a_revoked_certificate_is_refused_by_sshd(lab):
    with lab.agent, lab.sshd() as sshd:
        first = lab.agent.wait_active("web")
        assert ssh(lab.agent, sshd, lab.folder) == me()
        told = lab.agent.holdfast("ca", "revoke", "lab", "--serial", first["serial"], "--reason",
                                  "laptop lost").stdout
        assert str(lab.krl) in told
        assert ssh(lab.agent, sshd, lab.folder, check=False).returncode == 255
        assert "revoked" in sshd.log()
        lab.agent.holdfast("renew", "web")
        assert ssh(lab.agent, sshd, lab.folder) == me()
        shown = lab.agent.holdfast("ca", "show", "lab").stdout
        assert "laptop lost" in shown and first["serial"] in shown


def test_openssh_reads_the_list_and_it_outlives_a_restart(lab):
    with lab.agent:
        lab.agent.wait_active("web")
        line = lab.folder / "web-cert.pub"
        line.write_text(lab.cert()["line"] + "\n")
        query = ["ssh-keygen", "-Q", "-f", str(lab.krl), str(line)]
        assert subprocess.run(query, capture_output=True).returncode == 0
        lab.agent.holdfast("ca", "revoke", "lab", "--cert-file", line)
    with lab.agent:
        assert subprocess.run(query, capture_output=True).returncode == 1
        ca = json.loads(lab.agent.holdfast("ca", "show", "lab", "--json").stdout)
        assert [r["serial"] for r in ca["revoked"]] == [
            lab.events()[0]["serial"]]
        assert ca["public_key"].split()[1] == (lab.folder / "ca.pub").read_text().split()[1]


def test_wrong_revocations_are_told(lab):
    with lab.agent:
        lab.agent.wait_active("web")
        for options, text in (([], "--serial, --key-id or --cert-file"),
                              (["--serial", "99999999999999999"], "never gave the serial number"),
                              (["--serial", "x"], "no serial number"),
                              (["--cert-file", lab.folder / "ca.pub"], "certificate"),
                              (["--cert-file", lab.folder / "none"], "none")):
            done = lab.agent.holdfast("ca", "revoke", "lab", *options, check=False)
            assert done.returncode == 1 and text in done.stderr, (options, done.stderr)
        done = lab.agent.holdfast("ca", "show", "nobody", check=False)
        assert done.returncode == 1 and "no signer nobody" in done.stderr


def test_every_certificate_is_in_the_trail(lab):
    with lab.agent:
        first = lab.agent.wait_active("web")
        lab.agent.holdfast("renew", "web")
        second = lab.cert()
        issued = [e for e in lab.events() if e["event"] == "certificate-issued"]
        assert [e["serial"] for e in issued] == [first["serial"], second["serial"]]
        assert issued[0]["principals"] == me() and issued[0]["ca"] == "lab"
        assert issued[0]["role"] == "ops" and issued[0]["valid_before"] == first["valid_before"]
        assert "chain holds" in lab.agent.holdfast("audit", "--verify").stdout


def test_a_changed_trail_shows(lab):
    with lab.agent:
        lab.agent.wait_active("web")
        lab.agent.holdfast("renew", "web")
        trail = lab.agent.state / "audit.jsonl"
        trail.write_text(trail.read_text().replace('"role":"ops"', '"role":"ap"', 1))
        done = lab.agent.holdfast("audit", "--verify", check=False)
        assert done.returncode == 1 and "line 2" in done.stderr


def test_a_thousand_serials_never_repeat_over_kill_9(tmp_path):
    """50 certificates at once, again and again; whenever it is busiest the agent dies."""
    dice = random.Random(1)
    token = SoftToken(tmp_path / "token")
    roles = [{"name": "ops", "principals": [me()], "ttl": "30m"}]
    want = {"signer": "lab", "role": "ops", "principals": [me()], "ttl": "10m"}
    names = [f"i{n}" for n in range(50)]
    agent = Agent(tmp_path / "a", token,
                  [{"name": "lab", "ca": {"key": f"{token.uri};object=ca", "roles": roles}}],
                  [{"name": name, "key": f"{token.uri};object=web", "certificates": [want]}
                   for name in names])
    for label in ("ca", "web"):
        agent.holdfast("key", "generate", "--label", label)
    trail, seen, lives = agent.state / "audit.jsonl", {}, 0

    def look():
        """Every certificate that anybody got to see has a serial number of its own."""
        for cert in (i["certificates"][0] for i in agent.status()["identities"]):
            if cert["line"]:
                assert seen.setdefault(cert["serial"], cert["line"]) == cert["line"]

    def issued():
        lines = trail.read_text().splitlines() if trail.exists() else []
        return [line.split('"serial":"')[1].split('"')[0] for line in lines
                if '"certificate-issued"' in line]

    def one_life():
        agent.start()
        agent.wait_token("ready")
        wait_for(agent.log, lambda: all(i["certificates"][0]["line"]
                                        for i in agent.status()["identities"]), 60)
        look()
        agent.holdfast("renew", "--all")
        look()
        renewing = subprocess.Popen([BIN / "holdfast", "renew", "--all"], env=agent.env(),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random())
        agent.kill()
        renewing.wait(60)

    while len(issued()) < 1000 or lives < 8:
        lives += 1
        assert lives < 60, len(issued())
        try:
            one_life()
        finally:
            agent.stop()  # where it failed
    with agent:
        look()
        assert len(set(issued())) == len(issued())
        assert "chain holds" in agent.holdfast("audit", "--verify").stdout
        assert len(seen) > lives * len(names)


def test_a_list_that_cannot_be_written_is_told(lab):
    krl = lab.folder / "nowhere/krl"
    lab.agent.settings["signers"][0]["ca"]["krl"] = str(krl)
    lab.agent.write_config()
    with lab.agent as agent:
        wait_for(agent.log, lambda: f"is not on the disk: {krl}" in agent.log())
        assert f"what lab has revoked is not on the disk: {krl}" in agent.status()["warnings"][0]
        assert f"problem    {krl}" in agent.holdfast("ca", "show", "lab").stdout
        krl.parent.mkdir()
        first = agent.wait_active("web")
        agent.holdfast("ca", "revoke", "lab", "--serial", first["serial"])
        assert "problem" not in agent.holdfast("ca", "show", "lab").stdout and krl.exists()


def test_the_certificate_comes_with_the_ca_key(tmp_path_factory):
    """Both keys are made while the agent runs, and nobody tells it to try again."""
    place = Place(tmp_path_factory.mktemp("ca"), keys=())
    with place.agent as agent:
        agent.wait_token("ready")
        agent.holdfast("key", "generate", "--label", "web")
        wait_for(lambda: f"the error: {place.cert()}", lambda: place.cert()["error"])
        assert "the CA's key: no key matches" in place.cert()["error"]["text"]
        assert place.cert()["state"] == "wanted"
        agent.holdfast("key", "generate", "--label", "ca")
        agent.wait_active("web", timeout_s=3)
        agent.holdfast("key", "delete", "ca", "--yes", "--force")
        assert agent.holdfast("renew", "web", check=False).returncode == 1
        agent.holdfast("key", "generate", "--label", "ca")  # another key, and so not that CA
        wait_for(lambda: f"a certificate of the new CA: {place.cert()}",
                 lambda: "it comes from CA" in place.cert()["error"]["text"], timeout_s=3)
