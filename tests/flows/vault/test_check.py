"""The test of a connector, and lists to pick from, against a real OpenBao."""

import time

import pytest

from stage.bao import Bao, Ca, write_private
from vault.probe import Probe
from vault.servers import FakeVault, SilentServer

NAMES = ["reach", "tls", "health", "login", "token", "engine"]


def check(settings, **fields):
    """(steps by name, what stands against it) of a configuration that is not put."""
    with Probe() as probe:
        *steps, end = probe.ask("check", name="candidate", **{**settings, **fields})
        assert probe.ask("status") == []
    return {s["step"]: s for s in steps}, end.get("error")


def states(steps):
    return [steps[n]["state"] for n in NAMES if n in steps]


def test_all_is_well(bao, with_approle):
    steps, error = check(with_approle, mount="ssh", role="web")
    assert error is None
    assert list(steps) == NAMES
    assert states(steps) == ["ok"] * 6
    assert steps["reach"]["facts"] == {"ip": "127.0.0.1", "port": str(bao.port)}
    tls = steps["tls"]["facts"]
    assert tls["version"] == "TLSv1.3" and tls["subject"] == "CN = server"
    assert tls["issuer"] == "CN = OpenBao test CA" and "localhost" in tls["names"]
    assert tls["not_after"] in steps["tls"]["text"] and tls["not_after"].endswith("Z")
    health = steps["health"]["facts"]
    assert health["sealed"] == "false" and health["initialized"] == "true"
    assert health["version"] and f"version {health['version']}, unsealed" in steps["health"]["text"]
    assert steps["login"]["text"] == "logged in with AppRole"
    token = steps["token"]["facts"]
    assert token["policies"] == "default,ssh" and token["root"] == "false"
    assert token["renewable"] == "true" and 1100 < int(token["ttl_s"]) <= 1200
    engine = steps["engine"]
    assert engine["facts"]["type"] == "ssh" and "update" in engine["facts"]["capabilities"]
    assert "may sign: " in engine["text"] and "ssh/sign/web" in engine["text"]
    assert all(0 <= s["took_ms"] < 20000 and s["address"] == bao.address for s in steps.values())


def test_the_engine_is_not_asked_about_without_a_mount(with_approle):
    steps, error = check(with_approle)
    assert error is None and list(steps) == NAMES[:-1]


def test_a_server_that_is_put_is_logged_in_to_anew(with_approle, key):
    with Probe({**with_approle, "name": "one"}) as probe:
        probe.cert(key)
        write_private(with_approle["secret_id_file"], "wrong")
        *steps, end = probe.ask("check", server="one")
        assert steps[3]["step"] == "login" and steps[3]["state"] == "failed"
        assert "Vault says: invalid role or secret ID" in end["error"]["text"]
        probe.cert(key)  # which does not harm the login that there is
        assert probe.ask("check", server="two")[0]["error"]["code"] == "not-found"


def test_a_role_that_may_be_read_is_told(bao, with_token, key):
    write_private(with_token["token_file"], bao.root_token)
    steps, error = check(with_token, mount="/ssh/", role="web")
    assert error is None
    facts = steps["engine"]["facts"]
    assert facts["allowed_users"] == "deploy,alice" and facts["max_ttl"] == "3600"
    assert "users: deploy,alice; certificates last 15m, at most 1h" in steps["engine"]["text"]


def test_a_root_token(bao, with_token):
    write_private(with_token["token_file"], bao.root_token)
    steps, error = check(with_token)
    assert error is None and steps["token"]["state"] == "warning"
    assert steps["token"]["facts"]["root"] == "true"
    assert "a root token" in steps["token"]["text"] and "has to stay 0" in steps["token"]["text"]
    steps, error = check(with_token, renew_interval_s=0)
    assert error is None
    steps, error = check(with_token, renew_interval_s=600, mount="ssh", role="web")
    assert states(steps)[3:] == ["ok", "failed", "skipped"]
    assert steps["token"]["text"] == "with a root token the renewal interval must be 0"
    assert error["code"] == "input"


def test_a_token_that_cannot_be_renewed_and_should(bao, with_token):
    write_private(with_token["token_file"], bao.token(["ssh"], ttl="1h", renewable=False))
    steps, _ = check(with_token, renew_interval_s=600)
    assert steps["token"]["state"] == "warning" and "cannot be renewed" in steps["token"]["text"]
    write_private(with_token["token_file"], bao.token(["ssh"], ttl="5m"))
    steps, _ = check(with_token, renew_interval_s=600)
    assert "ends before the renewal interval" in steps["token"]["text"]


# --- what is wrong -----------------------------------------------------------------------

def test_nobody_there(with_token):
    steps, error = check(with_token, address="https://127.0.0.1:9", mount="ssh")
    assert states(steps) == ["failed"] + ["skipped"] * 5
    assert error["native"] == 7 and "127.0.0.1:9" in error["text"]
    assert steps["reach"]["error"]["code"] == "gone"


def test_no_such_host(with_token):
    steps, error = check(with_token, address="https://no-such-host.invalid")
    assert steps["reach"]["state"] == "failed" and "no-such-host.invalid" in error["text"]


def test_not_an_address(with_token):
    steps, error = check(with_token, address="http://127.0.0.1:8200")
    assert states(steps)[:2] == ["failed", "skipped"] and error["code"] == "input"


def test_a_server_without_a_word(with_token):
    with SilentServer() as silent:
        start = time.monotonic()
        steps, error = check(with_token, address=silent.address, request_timeout_ms=700)
        assert time.monotonic() - start < 10
    assert states(steps)[:3] == ["ok", "failed", "skipped"]
    assert error["code"] == "timeout"
    assert "before the server has shown a certificate" in error["text"]


def test_another_ca(with_token, tmp_path):
    steps, error = check(with_token, ca=Ca(tmp_path / "other").path)
    assert states(steps)[:3] == ["ok", "failed", "skipped"]
    tls = steps["tls"]
    assert tls["facts"]["subject"] == "CN = server"
    assert tls["facts"]["issuer"] == "CN = OpenBao test CA"
    assert "CN = server" in tls["text"] and "unable to get local issuer certificate" in tls["text"]
    assert tls["facts"]["failed_at"] and error["native"] == 60


def test_another_name(with_token):
    steps, error = check(with_token, server_name="vault.example.org")
    assert steps["tls"]["state"] == "failed"
    assert "vault.example.org" in steps["tls"]["text"]
    assert "localhost" in steps["tls"]["facts"]["names"]
    assert "failed_at" not in steps["tls"]["facts"]  # the chain is good


def test_an_expired_certificate(with_token, tmp_path):
    ca = Ca(tmp_path / "fake")
    with FakeVault(ca, days=-1) as fake:
        steps, error = check(with_token, address=fake.address, ca=ca.path)
    assert steps["tls"]["state"] == "failed" and "expired" in steps["tls"]["text"]
    assert steps["tls"]["facts"]["not_after"] in steps["tls"]["text"]
    assert steps["tls"]["facts"]["failed_at"] == "CN = fake"


def test_no_ca_file(with_token):
    steps, error = check(with_token, ca="/nonexistent/ca.pem")
    assert steps["tls"]["state"] == "failed" and error["code"] == "input"
    assert "/nonexistent/ca.pem" in steps["tls"]["text"]


def test_a_sealed_server(bao, with_token):
    bao.seal()
    try:
        steps, error = check(with_token)
    finally:
        bao.unseal()
    assert states(steps)[2:] == ["failed", "skipped", "skipped"]
    assert "Vault is sealed" in error["text"]
    assert steps["health"]["facts"]["sealed"] == "true"


def test_no_vault_at_all(with_token, tmp_path):
    ca = Ca(tmp_path / "fake")
    with FakeVault(ca) as fake:
        for answer in ((200, {}, b"<html>"), (200, {}, b"{}"), (404, {}, b"")):
            fake.answers[HEALTH] = answer
            steps, error = check(with_token, address=fake.address, ca=ca.path)
            assert states(steps)[:4] == ["ok", "ok", "failed", "skipped"]


HEALTH = "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


def test_a_standby_is_fine_and_a_new_server_is_not(with_token, tmp_path):
    ca = Ca(tmp_path / "fake")
    with FakeVault(ca) as fake:
        fake.answers[HEALTH] = (200, {}, b'{"initialized": true, "sealed": false, "standby": true}')
        steps, _ = check(with_token, address=fake.address, ca=ca.path)
        assert steps["health"]["state"] == "ok" and "on standby" in steps["health"]["text"]
        fake.answers[HEALTH] = (200, {}, b'{"initialized": false, "sealed": true}')
        _, error = check(with_token, address=fake.address, ca=ca.path)
        assert "not initialized" in error["text"]
        assert "X-Vault-Token" not in fake.asked(HEALTH)[0]["headers"]


def test_a_wrong_login(with_approle):
    write_private(with_approle["secret_id_file"], "wrong")
    steps, error = check(with_approle, mount="ssh", role="web")
    assert states(steps)[3:] == ["failed", "skipped", "skipped"]
    assert "Vault says: invalid role or secret ID" in steps["login"]["text"]


def test_a_token_without_rights(bao, with_token):
    write_private(with_token["token_file"], bao.token(["nothing"], no_default_policy=True))
    steps, error = check(with_token, mount="ssh", role="web")
    assert error is None
    assert states(steps)[3:] == ["ok", "warning", "warning"]
    assert "does not let this login ask" in steps["engine"]["text"]


@pytest.mark.parametrize("fields, words", [
    ({"role": "other"}, 'policy allows "deny" on ssh/sign/other; to sign it has to allow "update"'),
    ({"mount": "nowhere", "role": "web"}, 'policy allows "deny" on nowhere/sign/web'),
    ({"mount": "a?b", "role": "web"}, "holds a character"),
])
def test_an_engine_that_will_not_do(with_token, fields, words):
    steps, error = check(with_token, **{"mount": "ssh", **fields})
    assert steps["engine"]["state"] == "failed" and words in error["text"]


def test_an_engine_that_is_none(bao, with_token):
    write_private(with_token["token_file"], bao.root_token)
    bao.enable_kv("kv")
    steps, error = check(with_token, mount="kv", role="web")
    assert 'the engine at "kv" is of type kv, not ssh' in error["text"]
    steps, error = check(with_token, mount="nowhere", role="web")
    assert error["code"] == "not-found" and "nowhere" in error["text"]
    steps, error = check(with_token, mount="ssh", role="nobody")
    assert 'has no role "nobody"' in error["text"]
    steps, error = check(with_token, mount="ssh")
    assert error is None and "is an SSH engine" in steps["engine"]["text"]


def test_a_wrapped_secret_id_is_there_for_the_server_that_is_put(approle, with_approle, key):
    write_private(with_approle["secret_id_file"], approle.wrapped_secret_id())
    settings = {**with_approle, "wrapped": 1}
    with Probe() as probe:
        for _ in range(2):
            assert probe.ask("check", name="one", **settings)[-1] == {}
        probe.ask("put", name="one", **settings)
        probe.cert(key, server="one")


def test_of_several_addresses_one_is_enough(bao, with_token):
    with Probe() as probe:
        *steps, end = probe.ask("check", name="a", **{
            **with_token, "address": "https://127.0.0.1:9", "more": bao.address})
    assert end == {}
    told = [(s["step"], s["state"], s["address"]) for s in steps if s["step"] != "tls"]
    assert told == [("reach", "failed", "https://127.0.0.1:9"),
                    ("health", "skipped", "https://127.0.0.1:9"),
                    ("reach", "ok", bao.address), ("health", "ok", bao.address),
                    ("login", "ok", bao.address), ("token", "ok", bao.address)]


# --- lists -------------------------------------------------------------------------------

def test_mounts(bao, with_token):
    bao.enable_kv("kv")
    bao.enable_ssh("team/ssh", "hosts")
    with Probe(with_token) as probe:  # may not list all: those that it may use
        answer = probe.ask("mounts", server="test", type="ssh")[0]
        assert ["ssh", "ssh", ""] in answer["mounts"]
        assert not any(m[0] == "team/ssh" for m in answer["mounts"])
        write_private(with_token["token_file"], bao.root_token)
        answer = probe.ask("mounts", type="ssh", **with_token, name="new")[0]
        assert [m[0] for m in answer["mounts"]] == sorted(m[0] for m in answer["mounts"])
        assert {"ssh", "team/ssh"} <= {m[0] for m in answer["mounts"]}
        answer = probe.ask("mounts", **with_token, name="new")[0]
        assert {"kv", "ssh", "system"} <= {m[1] for m in answer["mounts"]}
