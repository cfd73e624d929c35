"""What reaches out, given good data: the examples of openapi.yaml, made true for an agent with an
OpenBao, a CA of its own, an sshd and a filled registry. Every answer is as documented, and where good data
can but succeed, it does. (Random good data would reach hosts and write files of random names.)"""

import json

import pytest

from control.test_schemathesis import CONFIG, SCHEMA, apply, run
from main.conftest import MOUNT, ROLE, Bench, bao, bench, place, sshd  # noqa: F401 (fixtures)
from stage.agent import wait_for
from stage.bao import write_private
from stage.sshd import me

# No body, or none that is needed: run with what there is.
PLAIN = {"renewIdentity", "renewAll", "testSigner", "getSignerCa", "testConnector", "getConnectorCa",
         "listConnectorMounts", "listSecretsManagerMounts", "listAudit", "verifyAudit", "listScopes",
         "getRegistry", "exportRegistry", "getStatus", "listTokens", "getToken",
         "listTokenCertificates", "listKeys", "getKey", "proveKey", "listIdentities", "getIdentity",
         "listResources", "getResource"}


@pytest.fixture
def busy(bench, bao, sshd):  # noqa: F811
    """An agent that has all of it."""
    bao.enable_pki()
    bao.policy("certify", 'path "pki/sign/agent" { capabilities = ["update"] }\n'
                          'path "sys/mounts" { capabilities = ["read"] }\n')
    token = bao.token(["signer", "certify"], ttl="1h")
    lab = {"name": "lab", "ca": {"key": f"{bench.token.uri};object=ca", "roles": [
        {"name": "ops", "principals": [me()], "ttl": "30m"}]}}
    agent = bench.agent(signers=[bench.signer(token), lab])
    for label in ("web", "ca"):
        bench.with_key(agent, label)
    file = write_private(bench.folder / "registry-token", token + "\n")
    with agent:
        agent.wait_active("web")
        apply(agent, [
            {"kind": "certificate", "scope": "account", "name": "main",
             "spec": {"pem": bao.ca_path.read_text()}},
            {"kind": "connector", "scope": "account", "name": "main", "spec": {
                "type": "vault", "addresses": [bao.address], "certificate": "main",
                "login": {"method": "token", "token_file": str(file)}}},
            {"kind": "secrets-manager", "scope": "account", "name": "main", "spec": {
                "type": "vault-ssh", "connector": "main", "mount": MOUNT, "default_role": ROLE}},
            {"kind": "ssh-key", "scope": "account", "name": "main", "spec": {
                "user_name": me(), "key": f"{bench.token.uri};object=web", "token": bench.token.label,
                "credentials": {"type": "vault-ssh", "secrets_manager": "main"}}},
            {"kind": "infrastructure", "scope": "account", "name": "main", "spec": {
                "ssh_key": "main", "hosts": [{"name": "web1", "address": "127.0.0.1"}]}}])
        wait_for(agent.log, lambda: "main" in {i["name"] for i in agent.status()["identities"]
                                               if i["certificates"]})
        yield agent


def schema_for(agent, sshd, folder, backup):  # noqa: F811
    """openapi.yaml whose examples name what is there."""
    text = SCHEMA.read_text()
    for said, true in (("/var/backups/holdfast/registry.sqlite3", str(backup)),
                       ("127.0.0.1:2222", f"127.0.0.1:{sshd.port}"),
                       ("port: 2222", f"port: {sshd.port}"), ("user: deploy", f"user: {me()}"),
                       ("ssh_key: web", "ssh_key: main"), ("signer: corp", "signer: vault"),
                       ("common_name: agent.example.com, ttl_s", "pki_mount: pki, pki_role: agent, "
                        "common_name: agent.example.com, ttl_s")):
        assert said in text, said
        text = text.replace(said, true)
    file = folder / "openapi.yaml"
    file.write_text(text)
    return file


def answers(agent, folder, schema, signer, operations, phases="examples"):
    """Runs each operation, once with its example; (method, path) -> answers."""
    known = {"token": agent.token.label, "key": "web", "identity": "web", "signer": signer,
             "id": "main", "scope": "account", "kind": "secrets-managers"}
    parameters = "[parameters]\n" + "".join(f'"path.{k}" = "{v}"\n' for k, v in known.items())
    parameters += f'"query.mount" = "{MOUNT}"\n"query.scope" = "account"\n'
    har = folder / "har.json"
    run(agent, folder, *(o for name in sorted(operations) for o in ("--include-operation-id", name)),
        "--mode", "positive", "--max-examples", "3", "--report", "har", "--report-har-path", har,
        config_text=parameters + CONFIG, schema=schema, phases=phases)
    got = {}
    for entry in json.loads(har.read_text())["log"]["entries"]:
        path = "/v1/" + entry["request"]["url"].split("/v1/", 1)[1].split("?")[0]
        got.setdefault((entry["request"]["method"], path), []).append(entry["response"])
    return got


def test_examples_do_what_they_say(busy, sshd, tmp_path):  # noqa: F811
    schema = schema_for(busy, sshd, tmp_path, tmp_path / "backup.sqlite3")
    # the backup first: the restore needs it
    first = answers(busy, tmp_path, schema, "vault", {"backupRegistry"})
    assert [r["status"] for r in first["POST", "/v1/registry/backup"]] == [204]
    got = answers(busy, tmp_path, schema, "vault", {
        "connect", "run", "testSshKey", "certifyKey", "enroll", "unlockToken", "parseHosts",
        "restoreRegistry"})
    statuses = {path: {r["status"] for r in of} for (_, path), of in got.items()}
    assert statuses.pop("/v1/enroll") <= {400, 409, 501}, got
    assert len(statuses) == 7 and all(s <= {200, 204} for s in statuses.values()), statuses
    revoked = answers(busy, tmp_path, schema, "lab", {"revokeCertificate"})
    assert [r["status"] for r in revoked["POST", "/v1/cas/lab/revocations"]] == [200]
    assert "certificate-revoked" in busy.holdfast("audit", "--json").stdout


def test_what_needs_no_body_succeeds(busy, tmp_path):
    got = answers(busy, tmp_path, SCHEMA, "vault", PLAIN, phases="fuzzing")
    got.update(answers(busy, tmp_path, SCHEMA, "lab", {"getCa"}, phases="fuzzing"))
    failed = {path: [(r["status"], r["content"].get("text")) for r in of] for path, of in got.items()
              if not any(r["status"] == 200 for r in of)}
    assert not failed and len(got) > len(PLAIN), (failed, sorted(got))
