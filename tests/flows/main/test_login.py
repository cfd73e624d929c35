"""The main job for every key type: a token-held key, signed by OpenBao, logs in by ssh and libssh2."""

import json
import subprocess

import pytest

from main.ssh_client import connect, ssh
from stage.sshd import me

KINDS = [("p256", ()), ("p384", ()), ("p521", ()), ("ed25519", ()), ("rsa", ("--bits", "2048")),
         ("rsa", ("--bits", "3072")), ("rsa", ("--bits", "4096"))]


@pytest.mark.parametrize("kind,options", KINDS, ids=["-".join([k, *o[1:]]) for k, o in KINDS])
def test_every_key_type_logs_in(bench, place, sshd, kind, options):
    agent = bench.with_key(bench.agent(), "web", kind, *options)
    with agent:
        cert = agent.wait_active("web")
        assert cert["principals"] == [me()]
        assert ssh(agent, sshd, place) == me()
        done = connect(agent, sshd, "--run", "id -un")
        assert done.stdout.strip() == me(), done
        assert sshd.logged(f'Accepted certificate ID ".*" .*serial {cert["serial"]}'), sshd.log()
        assert [blob[0].endswith("-cert-v01@openssh.com") for blob in agent.list_blobs()] == [True]


def test_public_line_is_an_openssh_key(bench):
    agent = bench.with_key(bench.agent(), "web", "p384")
    line = agent.holdfast("key", "public", "web").stdout
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=line, text=True, capture_output=True,
                           check=True).stdout
    key = json.loads(agent.holdfast("key", "show", "web", "--json").stdout)
    assert shown.startswith(f"384 {key['fingerprint']} ")


def test_the_private_key_cannot_leave(bench):
    agent = bench.with_key(bench.agent())
    key = json.loads(agent.holdfast("key", "show", "web", "--prove", "--json").stdout)
    attributes = key["attributes"]
    assert attributes["sensitive"] and attributes["always_sensitive"] and attributes["local"]
    assert not attributes["extractable"] and attributes["never_extractable"]
    assert "CKR_ATTRIBUTE_SENSITIVE" in " ".join(key["proof"])


def test_offer_both_and_key(bench):
    agent = bench.agent([bench.identity("web", offer="both"),
                         bench.identity("bare", wants=[], offer="key")])
    for label in ("web", "bare"):
        bench.with_key(agent, label)
    with agent:
        agent.wait_active("web")
        types = [blob[0] for blob in agent.list_blobs()]
    assert types == ["ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256",
                     "ecdsa-sha2-nistp256"]


def test_an_id_that_exists_is_refused(bench):
    agent = bench.with_key(bench.agent(), "web", "p256", "--id", "0a")
    done = agent.holdfast("key", "generate", "--label", "other", "--id", "0a", check=False)
    assert done.returncode == 1 and "already has a key with this id" in done.stderr, done.stderr


def test_delete_needs_a_word_and_removes_both_halves(bench):
    agent = bench.with_key(bench.agent([]))
    done = agent.holdfast("key", "delete", "web", check=False)
    assert done.returncode == 1 and "--yes" in done.stderr
    agent.holdfast("key", "delete", "web", "--yes")
    assert json.loads(agent.holdfast("key", "list", "--json").stdout)["keys"] == []
    assert "Key Object" not in bench.token.tool("--list-objects").stdout


def test_extractable_keys_are_not_signed(bench):
    agent = bench.agent()
    bench.token.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "web", "--id", "01",
                     "--extractable")
    with agent:
        agent.wait_token("ready")
        problem = wait_problem(agent)
    assert "extract" in problem, problem


def wait_problem(agent):
    from stage.agent import wait_for

    def problem():
        identity = agent.identity("web")
        fault = identity["problem"] or identity["certificates"][0]["error"]
        return fault["text"] if fault else None
    return wait_for(lambda: f"a problem: {agent.identity('web')}", problem)
