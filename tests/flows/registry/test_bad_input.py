"""What bad input gets, by command line and by API: a clear refusal that says how to do it, no secret in any
answer, log or file, and the registry as it was before."""

import base64
import json
import subprocess

import pytest

from main.conftest import MOUNT, ROLE
from registry.test_api_story import active, made
from registry.test_cli import cli, refused  # noqa: F401 (a fixture)
from stage.agent import wait_for
from stage.sshd import me

WORDS = "Invalid request: Certificate is not a valid X509 Certificate"
SECRET = "hvs.CAESIJxhunter2hunter2hunter2hunter2"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHh1bnRlcjJo\n-----END PRIVATE KEY-----\n"


def state(api):
    return api.get("/registry/export").json


def pems(bao):
    """(what it is, its bytes, None where it is taken)"""
    pem = bao.ca_path.read_bytes()
    der = base64.b64decode(b"".join(pem.split(b"-----")[2].split()))
    yield "empty", b"", "there is no certificate"
    yield "a private key in it", pem + PRIVATE.encode(), "private key"
    yield "DER", der, "DER"
    yield "something in between", pem + b"# Corp\n" + pem, "neither white space nor a certificate"
    yield "cut", pem[:len(pem) // 2], "certificate"
    yield "101", pem * 101, "more than 100 certificates"
    yield "10 MB", b"\n" * (10 << 20), None
    yield "CRLF", pem.replace(b"\n", b"\r\n"), ""
    yield "BOM", b"\xef\xbb\xbf" + pem, "byte order mark"
    yield "100", pem * 100, ""


def test_pem(running, cli):  # noqa: F811
    empty, _, api = running
    file = empty.folder / "in.pem"
    for what, content, words in pems(empty.bao):
        file.write_bytes(content)
        before = state(api)
        if words == "":
            cli("certificate", "create", what, "-f", file)
            continue
        said = refused(cli, "certificate", "create", what, "-f", file)
        assert words is None or WORDS in said and words in said, (what, said)
        assert "hunter2" not in said and "MC4CAQAw" not in said
        answer = api.post("/scopes/account/certificates", {
            "name": what, "spec": {"pem": content.decode("latin-1")}})
        assert 400 <= answer.status < 500 and "MC4CAQAw" not in answer.body, (what, answer)
        assert state(api) == before, what


def test_names(running, cli):  # noqa: F811
    empty, agent, api = running
    pem = empty.bao.ca_path.read_text()

    def create(name):
        return api.post("/scopes/account/certificates", {"name": name, "spec": {"pem": pem}})
    for name in ("n" * 128, "ü" * 128, "Zürich 日本語", "../../etc/passwd", "%2e%2e%2f",
                 "x'; DROP TABLE entry; --", '"; DELETE FROM entry', "a/b?c#d"):
        there = made(create(name))
        assert there["name"] == name
        assert set(there["identifier"]) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
        assert cli("certificate", "show", name).stdout.count("name: ") == 1
        assert made(api.get("/scopes/account/certificates", name=name), 200)["items"]
    before = state(api)
    for name in ("", "n" * 129, "ü" * 129, "a\nb", " a", "\u202ea", 7, None):
        answer = create(name)
        assert answer.status == 400 and "name" in answer.json["detail"], (name, answer)
    assert create("a\u0000b").status == 400
    assert "128" in refused(cli, "certificate", "create", "n" * 129, "-f", empty.bao.ca_path)
    for path in ("/scopes/account/certificates/..%2f..%2fetc", "/scopes/account/certificates/%27--",
                 "/scopes/account/../account/certificates/x"):
        assert api.get(path).status in (400, 404), path
    for scope in ("..", "org%2F..", "org%2Facme%2Fproject%2F..", "account%00", "ORG%2Facme"):
        assert api.get(f"/scopes/{scope}/certificates").status == 400, scope
    assert state(api) == before and len(before["resources"]) == 8


SECRETS = [
    ("connectors", {"type": "vault", "addresses": ["https://v"],
                    "login": {"method": "token", "token": SECRET}}, "token_file"),
    ("connectors", {"type": "vault", "addresses": ["https://v"],
                    "login": {"method": "token", "token_file": SECRET}}, "token"),
    ("connectors", {"type": "vault", "addresses": ["https://u:hunter2@v"],
                    "login": {"method": "token", "token_file": "/t"}}, "password"),
    ("connectors", {"type": "vault", "addresses": ["https://v"], "login": {
        "method": "approle", "role_id_file": "/r", "secret_id": "hunter2"}}, "secret_id_file"),
    ("connectors", {"type": "vault", "addresses": ["https://v"], "login": {
        "method": "userpass", "user": "u", "password": "hunter2"}}, "password_file"),
    ("ssh-keys", {"user_name": "u", "key": "pkcs11:object=k?pin-value=hunter2",
                  "credentials": {"type": "key"}}, "pin"),
    ("ssh-keys", {"user_name": "u", "key": "pkcs11:object=k", "pin": "hunter2",
                  "credentials": {"type": "key"}}, "pin"),
    ("ssh-keys", {"user_name": "u", "key": PRIVATE, "credentials": {"type": "key"}}, "key"),
    ("infrastructures", {"ssh_key": "k", "hosts": [{"name": "a", "password": "hunter2"}]}, "password"),
]


@pytest.mark.parametrize("kind, spec, way", SECRETS)
def test_a_secret_is_refused_by_every_way(running, cli, kind, spec, way):  # noqa: F811
    """Creating, checking, testing, replacing, applying, and from a file on the command line."""
    empty, agent, api = running
    at = f"/scopes/account/{kind}"
    body = {"name": "x", "spec": spec}
    before = state(api)
    resource = {"kind": kind[:-1], "scope": "account", **body}
    ways = [("POST", at, body), ("POST", f"{at}/-/check", body), ("PUT", f"{at}/x", body),
            ("POST", "/registry/apply", {"document": {"resources": [resource]}}),
            ("POST", "/registry/apply", {"document": {"resources": [resource]}, "dry_run": True})]
    if kind == "connectors":
        ways.append(("POST", f"{at}/-/test", body))
    said = ""
    for method, path, sent in ways:
        answer = api.call(method, path, sent, {"If-Match": "*"})
        assert answer.status == (404 if method == "PUT" else 403), (method, path, answer)
        said += answer.body
    document = empty.folder / "x.json"
    document.write_text(json.dumps(body))
    said += refused(cli, kind[:-1], "create", "--file", document)
    assert way in said
    assert "hunter2" not in said + agent.log() and "MC4CAQAw" not in said + agent.log()
    assert state(api) == before
    for file in agent.state.rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes(), file


# --- the public key, and users ---------------------------------------------------------------------


def vault_key(empty, user, **credentials):
    return {"user_name": user, "key": f"{empty.token.uri};object=web", "token": empty.token.label,
            "credentials": {"type": "vault-ssh", "secrets_manager": "main", "role": ROLE,
                            **credentials}}


def declare(empty, api):
    made(api.post("/scopes/account/certificates", {
        "name": "ca", "spec": {"pem": empty.bao.ca_path.read_text()}}))
    made(api.post("/scopes/account/connectors", {"name": "main", "spec": {
        "type": "vault", "addresses": [empty.bao.address], "login": empty.login(),
        "certificate": "ca"}}))
    made(api.post("/scopes/account/secrets-managers", {"name": "main", "spec": {
        "type": "vault-ssh", "connector": "main", "mount": MOUNT}}))


def test_a_pasted_public_key_is_matched_with_the_tokens(running, cli):  # noqa: F811
    empty, agent, api = running
    declare(empty, api)
    cli("key", "generate", "--label", "other", "--type", "p256")
    right, wrong = (cli("key", "public", label).stdout.strip() for label in ("web", "other"))
    made(api.post("/scopes/account/ssh-keys", {
        "name": "pasted", "spec": vault_key(empty, me(), public_key=wrong)}))

    def problem():
        return [str(identity["problem"]) for identity in agent.status()["identities"]]
    wait_for(agent.log, lambda: "public key" in "".join(problem()))
    assert agent.list_blobs() == []
    got = api.get("/scopes/account/ssh-keys/pasted")
    made(api.put("/scopes/account/ssh-keys/pasted", {
        "name": "pasted", "spec": vault_key(empty, me(), public_key=right)}, got.etag), 200)
    active(agent)
    assert len(agent.list_blobs()) == 1
    answer = api.post("/scopes/account/ssh-keys", {
        "name": "none", "spec": vault_key(empty, me(), public_key="ssh-rsa nonsense")})
    assert answer.status == 400 and "/spec/credentials/public_key" in answer.json["detail"], answer


def test_many_users_share_one_role(running, hosts):
    """Two SSH keys, one role: each asks for its own user's certificate; the port is 22 unless given."""
    empty, agent, api = running
    declare(empty, api)
    empty.bao.enable_ssh(MOUNT, ROLE, allowed_users=f"{me()},deploy", ttl="30m")
    for user in (me(), "deploy"):
        key = made(api.post("/scopes/account/ssh-keys", {
            "name": f"as {user}", "spec": vault_key(empty, user)}))
        assert key["spec"]["port"] == 22
    wait_for(agent.log, lambda: {i["name"] for i in agent.status()["identities"]} == {
        f"as_{me()}", "as_deploy"})
    assert len(active(agent)) == 2
    listed = subprocess.run(["ssh-add", "-L"], text=True, capture_output=True,
                            env={**agent.env(), "SSH_AUTH_SOCK": str(agent.socket)})
    principals = set()
    for line in listed.stdout.splitlines():
        shown = subprocess.run(["ssh-keygen", "-L", "-f", "-"], input=line, text=True,
                               capture_output=True).stdout
        principals.add(shown.split("Principals:")[1].split("Critical")[0].strip())
    assert principals == {me(), "deploy"}
