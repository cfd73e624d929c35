"""Certificates of an intermediate CA, where Vault trusts no more than the root."""

import json

from enroll.test_enroll import enroll
from stage.token import SoftToken


def make_intermediate(bao, mount):
    """A PKI engine whose CA the one at pki/ has signed."""
    if f"{mount}/" in bao.api("GET", "sys/mounts")["data"]:
        return
    bao.api("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "4000h"}})
    csr = bao.api("POST", f"{mount}/intermediate/generate/internal",
                  {"common_name": mount, "key_type": "ec"})["data"]["csr"]
    cert = bao.api("POST", "pki/root/sign-intermediate",
                   {"csr": csr, "common_name": mount, "ttl": "4000h"})["data"]["certificate"]
    bao.api("POST", f"{mount}/intermediate/set-signed", {"certificate": cert})
    bao.enable_pki(mount)
    rule = f'path "{mount}/sign/agent" {{ capabilities = ["update"] }}\n'
    bao.policy("enroll-" + mount, rule)


def labels(token: SoftToken):
    """Of the certificates on the token."""
    lines = token.tool("--list-objects", "--type", "cert").stdout.splitlines()
    return sorted(line.split(":", 1)[1].strip() for line in lines if "label:" in line)


def one_time(machine, mount):
    return machine.one_time(policies=("enroll-" + mount,))[0]


def test_what_lies_between_is_on_the_token_and_shown(machine, bao):
    make_intermediate(bao, "middle")
    make_intermediate(bao, "other")
    with machine.agent(machine.signer(**{"pki-mount": "middle"})) as agent:
        agent.wait_token("ready")
        agent.holdfast("key", "generate", "--label", "web")
        _, end = enroll(agent, "--token-file", one_time(machine, "middle"))
        assert end["is_new"] and end["certificate"]["issuer"] == "CN = middle"
        assert labels(machine.token) == ["holdfast chain", "holdfast-login"]
        steps, end = enroll(agent)  # what is on the token is enough
        assert list(steps) == ["token", "key", "look", "login"] and not end["is_new"]
        agent.holdfast("renew", "web")
        serial = agent.wait_active("web")["serial"]
    with agent:  # it begins with what the token has
        agent.wait_token("ready")
        agent.holdfast("renew", "web")
        assert agent.wait_active("web")["serial"] != serial
        _, end = enroll(agent, "--renew", "--pki-mount", "other", "--token-file",
                        one_time(machine, "other"))
        assert end["certificate"]["issuer"] == "CN = other"
        assert labels(machine.token) == ["holdfast chain", "holdfast-login"]  # the old one is gone
        agent.holdfast("renew", "web")
        events = [json.loads(line) for line in (agent.state / "audit.jsonl").read_text().splitlines()]
    assert {e["result"] for e in events if e["event"] == "login-signature"} == {"signed"}
