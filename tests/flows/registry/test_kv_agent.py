"""Two agents with one registry in OpenBao's KV engine: what one declares the other has, the in-use rule
holds between them, and a Vault that is away costs writes, never reads."""

import pathlib
import tempfile
import time

import pytest

from main.conftest import MOUNT, ROLE
from registry.conftest import Empty
from stage.agent import wait_for
from stage.api import Api
from stage.sshd import me

SEEN_WITHIN_S = 10
REFUSED_WITHIN_S = 3
PREFIX = "holdfast/fleet"


@pytest.fixture(scope="module")
def fleet(bao):
    bao.enable_kv("kv")
    bao.policy("fleet", f'path "kv/data/{PREFIX}/*" {{ capabilities = ["create","read","update"] }}\n'
                        f'path "kv/metadata/{PREFIX}/*" {{ capabilities = ["read", "list"] }}\n')
    return bao


def make_agent(place, bao):
    machine = Empty(pathlib.Path(tempfile.mkdtemp(dir=place, prefix="k")), place, bao)
    agent = machine.agent([], [machine.signer(bao.token(["signer", "fleet"], ttl="1h"))])
    agent.settings["registry"] = {"store": "vault-kv", "vault-kv": {
        "signer": "vault", "mount": "kv", "prefix": PREFIX}}
    agent.write_config()
    return agent, Api(agent.control)


@pytest.fixture
def two(place, fleet):
    (a, api_a), (b, api_b) = make_agent(place, fleet), make_agent(place, fleet)
    with a, b:
        for agent, api in ((a, api_a), (b, api_b)):
            wait_for(agent.log, lambda api=api: api.get("/scopes/account/certificates").status == 200)
        yield a, api_a, b, api_b


def certificate(api, bao, name):
    made = api.post("/scopes/account/certificates", {
        "name": name, "spec": {"pem": bao.ca_path.read_text()}})
    assert made.status == 201, made
    return f"/scopes/account/certificates/{made.json['identifier']}"


def connector(api, bao, name, of):
    made = api.post("/scopes/account/connectors", {"name": name, "spec": {
        "type": "vault", "addresses": [bao.address], "certificate": of,
        "login": {"method": "token", "token_file": "/nowhere"}}})
    assert made.status == 201, made
    return f"/scopes/account/connectors/{made.json['identifier']}"


def seen(agent, condition):
    return wait_for(agent.log, condition, timeout_s=SEEN_WITHIN_S)


def test_what_one_declares_the_other_has(two, fleet):
    a, api_a, b, api_b = two
    certificate(api_a, fleet, "Shared CA")
    connector(api_a, fleet, "Shared", "shared_ca")
    for kind, body in (("secrets-managers", {"name": "Shared engine", "spec": {
                           "type": "vault-ssh", "connector": "shared", "mount": MOUNT,
                           "default_role": ROLE}}),
                       ("ssh-keys", {"name": "Fleet key", "spec": {
                           "user_name": me(), "key": "pkcs11:object=web",
                           "token": a.token.label,
                           "credentials": {"type": "vault-ssh", "ttl": "5m",
                                           "secrets_manager": "shared_engine"}}})):
        made = api_a.post(f"/scopes/account/{kind}", body)
        assert made.status == 201, made
    seen(b, lambda: api_b.get("/scopes/account/ssh-keys/fleet_key").status == 200)
    wait_for(b.log, lambda: [i["name"] for i in b.status()["identities"]] == ["fleet_key"])
    gone = api_b.delete("/scopes/account/ssh-keys/fleet_key")
    assert gone.status == 200, gone
    seen(a, lambda: api_a.get("/scopes/account/ssh-keys/fleet_key").status == 404)
    wait_for(a.log, lambda: a.status()["identities"] == [])


def test_what_another_agent_uses_is_in_use(two, fleet):
    a, api_a, b, api_b = two
    path = certificate(api_a, fleet, "Used CA")
    seen(b, lambda: api_b.get(path).status == 200)
    user = connector(api_b, fleet, "User", "used_ca")
    refused = api_a.delete(path)  # at once: it need not have seen the connector
    assert refused.status == 409 and "user" in refused.body, refused
    seen(a, lambda: api_a.get(user).status == 200)  # force breaks what this agent knows of
    forced = api_a.delete(path, force="true")
    assert forced.status == 200, forced
    assert [r["identifier"] for r in forced.json["now_broken"]] == ["user"]
    seen(b, lambda: api_b.get(user).json.get("broken"))
    assert api_b.delete(user).status == 200


def test_a_vault_that_is_away_costs_writes_only(two, fleet):
    a, api_a, b, api_b = two
    path = certificate(api_a, fleet, "Kept CA")
    seen(b, lambda: api_b.get(path).status == 200)
    etag = api_b.get(path).etag
    fleet.seal()
    try:
        begun = time.monotonic()
        refused = api_b.post("/scopes/account/certificates", {
            "name": "Never", "spec": {"pem": fleet.ca_path.read_text()}})
        assert refused.status in (502, 503), refused
        assert time.monotonic() - begun < REFUSED_WITHIN_S, refused
        assert "Vault is sealed" in refused.json["detail"], refused
        store = api_b.get("/registry").json["store"]
        assert store["kind"] == "kv" and not store["writable"] and "sealed" in store["error"]
        assert store["refreshed"] <= store["away_since"]
        assert api_b.get(path).status == 200
        b.stop()
        b.start()  # with its own copy alone
        assert api_b.get(path).status == 200
        refused = api_b.call("DELETE", path, headers={"If-Match": etag})
        assert refused.status in (502, 503), refused
    finally:
        fleet.unseal()
    wait_for(b.log, lambda: api_b.delete(path).status == 200)
    store = api_b.get("/registry").json["store"]
    assert store["writable"] and store["away_since"] is None and store["refreshed"]
    seen(a, lambda: api_a.get(path).status == 404)
    assert api_a.get("/scopes/account/certificates/never").status == 404
