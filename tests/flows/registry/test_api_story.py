"""The two workflows by API: from an empty machine to sessions on the hosts of an infrastructure,
then renew, edit, refuse, delete."""

from main.conftest import MOUNT, ROLE
from stage.agent import wait_for
from stage.sshd import me


def made(answer, status=201):
    assert answer.status == status, answer
    return answer.json


def declare(empty, api, hosts, scope="account"):
    """Certificate, connector, secrets manager, SSH key, infrastructure: what an administrator does."""
    certificate = made(api.post("/scopes/account/certificates", {
        "name": "Vault CA", "spec": {"pem": empty.bao.ca_path.read_text()}}))
    assert certificate["message"] == "Certificate Vault CA created successfully"
    connector = made(api.post("/scopes/account/connectors", {"name": "Main Vault", "spec": {
        "type": "vault", "addresses": [empty.bao.address], "login": empty.login(),
        "certificate": certificate["identifier"]}}))
    made(api.post("/scopes/account/secrets-managers", {"name": "SSH engine", "spec": {
        "type": "vault-ssh", "connector": connector["identifier"], "mount": MOUNT,
        "default_role": ROLE}}))
    key = made(api.post(f"/scopes/{scope}/ssh-keys", {"name": "deploy", "spec": {
        "user_name": me(), "key": f"{empty.token.uri};object=web", "token": empty.token.label,
        "credentials": {"type": "vault-ssh", "ttl": "5m",
                        "secrets_manager": "ssh_engine" if scope == "account"
                        else "account.ssh_engine"}}}))
    return made(api.post(f"/scopes/{scope}/infrastructures", {"name": "web hosts", "spec": {
        "ssh_key": key["identifier"],
        "hosts": [empty.host(f"web{i}", h) for i, h in enumerate(hosts)]}}))


def steps_of(answer):
    assert answer.status == 200, answer
    return answer.lines


def active(agent):
    def found():
        certs = [c for i in agent.status()["identities"] for c in i["certificates"]]
        return certs if certs and all(c["state"] in ("active", "renewing") for c in certs) else None
    return wait_for(lambda: f"{agent.status()['identities']}\n{agent.log()}", found)


def test_from_empty_to_sessions_on_every_host(running, hosts):
    empty, agent, api = running
    declare(empty, api, hosts)
    test = steps_of(api.post(f"/scopes/account/connectors/main_vault/test?mount={MOUNT}&role={ROLE}"))
    assert test[-1]["done"] and all(s["state"] == "ok" for s in test[:-1]), test
    mounts = made(api.get("/scopes/account/secrets-managers/ssh_engine/mounts"), 200)
    assert MOUNT in str(mounts)
    serial = active(agent)[0]["serial"]
    assert len(agent.list_blobs()) == 1
    run = steps_of(api.post("/runs", {"scope": "account", "infrastructure": "web_hosts",
                                      "command": "id -un"}))
    assert run[-1]["done"] and len(run[-1]["summary"]) == 3, run
    assert [s["exit_status"] for s in run[-1]["summary"]] == [0, 0, 0], run[-1]
    assert active(agent)[0]["serial"] != serial  # each run exchanges the key for a new certificate


def test_one_bad_host_never_ends_the_run(running, hosts):
    empty, agent, api = running
    declare(empty, api, hosts)
    bad = {"name": "gone", "address": "127.0.0.1", "port": 9, "host_key": empty.host(
        "x", hosts[0])["host_key"]}
    got = made(api.get("/scopes/account/infrastructures/web_hosts"), 200)
    spec = {**got["spec"], "hosts": [bad, *got["spec"]["hosts"]]}
    made(api.put("/scopes/account/infrastructures/web_hosts", {"name": got["name"], "spec": spec},
                 f'"{got["revision"]}"'), 200)
    active(agent)
    run = steps_of(api.post("/runs", {"scope": "account", "infrastructure": "web_hosts",
                                      "command": "exit 3"}))
    summary = {s["host"]: s for s in run[-1]["summary"]}
    assert summary["gone"]["failed"] == "tcp", summary
    assert [summary[f"web{i}"]["exit_status"] for i in range(3)] == [3, 3, 3], summary


def test_edits_and_deletes_reach_the_socket(running, hosts):
    empty, agent, api = running
    declare(empty, api, hosts)
    active(agent)
    used = api.delete("/scopes/account/certificates/vault_ca")
    assert used.status == 409 and "Main Vault" in used.json["detail"] or \
        "main_vault" in used.json["detail"], used
    got = api.get("/scopes/account/ssh-keys/deploy")
    spec = {**got.json["spec"], "active": False}
    made(api.put("/scopes/account/ssh-keys/deploy", {"name": "deploy", "spec": spec}, got.etag), 200)
    wait_for(agent.log, lambda: agent.list_blobs() == [], 3)
    stale = api.put("/scopes/account/ssh-keys/deploy", {"name": "deploy", "spec": spec}, got.etag)
    assert stale.status == 412, stale
    for path in ("infrastructures/web_hosts", "ssh-keys/deploy", "secrets-managers/ssh_engine",
                 "connectors/main_vault", "certificates/vault_ca"):
        assert api.delete(f"/scopes/account/{path}").status in (200, 204), path
    assert made(api.get("/registry/export"), 200)["resources"] == []


def test_force_marks_the_users_broken(running, hosts):
    empty, agent, api = running
    declare(empty, api, hosts)
    gone = made(api.delete("/scopes/account/certificates/vault_ca", force="true"), 200)
    assert [b["identifier"] for b in gone["now_broken"]] == ["main_vault"]
    connector = made(api.get("/scopes/account/connectors/main_vault"), 200)
    assert "Vault CA" in str(connector["broken"]) or "vault_ca" in str(connector["broken"])
    assert "certificate" not in connector["spec"] or not connector["spec"]["certificate"]


def test_a_project_sees_above_but_not_sideways(running, hosts):
    empty, agent, api = running
    web = "org%2Facme%2Fproject%2Fweb"
    declare(empty, api, hosts, web)
    active(agent)
    sideways = api.post("/scopes/org%2Facme%2Fproject%2Fother/infrastructures", {
        "name": "x", "spec": {"ssh_key": "deploy", "hosts": [empty.host("h", hosts[0])]}})
    assert sideways.status in (400, 404), sideways
    page = made(api.get(f"/scopes/{web}/certificates", above="true"), 200)
    assert [c["identifier"] for c in page["items"]] == ["vault_ca"]
    assert made(api.get(f"/scopes/{web}/certificates"), 200)["items"] == []


def test_a_restart_knows_all_of_it(running, hosts):
    empty, agent, api = running
    declare(empty, api, hosts)
    serial = active(agent)[0]["serial"]
    agent.stop()
    agent.start()
    assert active(agent)[0]["serial"] == serial


def test_bad_input_says_what_mends_it(running):
    _, _, api = running
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for body, words in (
            ({"name": "x", "spec": {"pem": pem}},
             "Invalid request: Certificate is not a valid X509 Certificate"),
            ({"name": "", "spec": {"pem": pem}}, "name"),
            ({"name": "x" * 129, "spec": {"pem": pem}}, "128"),
            ({"name": "x", "spec": {"pem": pem, "more": 1}}, "more"),
            ({"name": "x", "spec": {}}, "pem")):
        answer = api.post("/scopes/account/certificates", body)
        assert answer.status == 400 and words in answer.json["detail"], answer
    answer = api.post("/scopes/account/connectors", {"name": "c", "spec": {
        "type": "vault", "addresses": ["https://v"], "login": {"method": "token", "token": "s.1"}}})
    assert answer.status in (400, 403) and "s.1" not in answer.body, answer
    assert api.get("/scopes/nowhere/certificates").status == 400
    assert api.get("/scopes/account/certificates/none").status == 404
