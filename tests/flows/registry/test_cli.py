"""The registry by command line: from an empty machine to a command on hosts, and what goes wrong on the
way. (The same by API is test_api_story.py.)"""

import json
import os
import re
import subprocess

import pytest

from main.conftest import MOUNT, ROLE
from stage.agent import BIN, ROOT, wait_for
from stage.sshd import me


@pytest.fixture
def cli(running):
    _, agent, _ = running

    def call(*words, **options):
        return agent.holdfast(*words, **options)
    return call


def refused(cli, *words, status=1, **options):
    """What standard error says of a command that has to fail."""
    done = cli(*words, check=False, **options)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stderr


def declare(running, cli, hosts):
    """The workflow up to an infrastructure: everything by options."""
    empty, _, _ = running
    login = empty.login()
    cli("certificate", "create", "Vault CA", "--file", empty.bao.ca_path)
    cli("connector", "create", "main", "--address", empty.bao.address, "--login", "approle",
        "--role-id-file", login["role_id_file"], "--secret-id-file", login["secret_id_file"],
        "--renewal-minutes", "10", "--certificate", "vault_ca")
    cli("secrets-manager", "create", "signer", "--connector", "main", "--mount", MOUNT,
        "--default-role", ROLE)
    cli("ssh-key", "create", "deploy", "--user", me(), "--secrets-manager", "signer",
        "--token", "demo", "--key", f"{empty.token.uri};object=web")
    document = {"name": "farm", "spec": {"ssh_key": "deploy", "hosts": [
        empty.host(f"host{i}", sshd) for i, sshd in enumerate(hosts)]}}
    path = empty.folder / "farm.json"
    path.write_text(json.dumps(document))
    cli("infrastructure", "create", "--file", path)


def test_from_nothing_to_a_command_on_hosts(running, cli, hosts):
    declare(running, cli, hosts)
    assert "no infrastructure 'nothing'" in refused(cli, "run", "-i", "nothing", "--", "id")
    done = cli("run", "-i", "farm", "--", "echo", "it is", "$((6*7))")
    lines = done.stdout.splitlines()
    for i in range(len(hosts)):
        assert f"host{i} | it is 42" in lines
        assert any(re.match(rf"host{i} +ok +[\d.]+ s", line) for line in lines), done.stdout
    assert "certificate" in done.stderr
    assert cli("run", "-i", "farm", "--limit", "host1", "--", "hostname").stdout.count(" | ") == 1
    assert cli("infrastructure", "test", "farm").stdout.count(" ok ") == len(hosts)


def test_steps_of_the_connection_test_are_shown(running, cli, hosts):
    declare(running, cli, hosts)
    done = cli("connector", "test", "main")
    assert [line.split()[1] for line in done.stderr.splitlines() if line[:1] in "✓!-✗"][:4] == \
        ["reach", "tls", "health", "login"]
    cli("secrets-manager", "test", "signer")
    done = cli("connector", "create", "dead", "--address", "https://127.0.0.1:1", "--login", "token",
               "--token-file", "/nonexistent", check=False)
    assert done.returncode == 1
    assert done.stdout == "Connector dead created successfully\n"
    assert "✗ reach" in done.stderr and "holdfast connector test dead" in done.stderr


def test_exit_codes_of_run(running, cli, hosts):
    declare(running, cli, hosts)
    done = cli("run", "-i", "farm", "--", "exit 3", check=False)
    assert done.returncode == 3 and "exit 3" in done.stdout, done
    hosts[0].stop()
    try:
        done = cli("run", "-i", "farm", "--", "echo hello; exit 3", check=False)
    finally:
        hosts[0].start()
    assert done.returncode == 1, done
    assert "failed: tcp" in done.stdout
    assert "host1 | hello" in done.stdout and "host2 | hello" in done.stdout


def test_connect_and_ssh_key_test(running, cli, hosts):
    declare(running, cli, hosts)
    done = cli("connect", "--run", "id -un; exit 4", "farm/host1", check=False)
    assert (done.returncode, done.stdout.strip()) == (4, me()), done
    assert "has no host 'host9'" in refused(cli, "connect", "farm/host9")
    known = running[0].folder / "known"
    known.write_text(hosts[0].known_hosts_line() + "\n")
    done = cli("ssh-key", "test", "deploy", f"{hosts[0].address}:{hosts[0].port}", "--known-hosts",
               known, "--run", "id -un")
    assert done.stdout.strip() == me()
    assert "✓ certificate" in done.stderr and "✓ authentication" in done.stderr


def test_the_given_words(running, cli):
    empty, _, _ = running
    done = cli("certificate", "create", "My CA", "-f", empty.bao.ca_path)
    assert done.stdout == "Certificate My CA created successfully\n"
    assert "expires in" in done.stderr  # the stage's CA has two days
    with open(empty.bao.ca_path) as pem:
        assert cli("certificate", "create", "stdin", "-f", "-", stdin=pem).returncode == 0
    words = "Invalid request: Certificate is not a valid X509 Certificate"
    bad = empty.folder / "bad.pem"
    for content in (b"", b"hello\n", b"\x30\x82\x01\x00\xff",
                    empty.bao.ca_path.read_bytes().replace(b"MII", b"NII", 1),
                    (empty.bao.folder / "tls/ca.key").read_bytes()):
        bad.write_bytes(content)
        assert words in refused(cli, "certificate", "create", "bad", "-f", bad), content
    assert [c["name"] for c in json.loads(cli("certificate", "list", "--json").stdout)["items"]] == \
        ["My CA", "stdin"]


def test_in_use(running, cli, hosts):
    declare(running, cli, hosts)
    said = refused(cli, "certificate", "delete", "Vault CA", "--yes")
    assert "connector main" in said and "--force" in said
    assert "nobody to ask" in refused(cli, "certificate", "delete", "Vault CA", "--force")
    cli("certificate", "delete", "Vault CA", "--yes", "--force")
    assert "broken" in cli("connector", "list").stdout
    assert "Vault CA" in cli("connector", "list").stderr
    cli("connector", "edit", "main", "--set", "certificate=null")
    assert "broken" not in cli("connector", "list").stdout


def test_edit(running, cli, hosts):
    declare(running, cli, hosts)
    private = {"TMPDIR": str(running[0].folder), "VISUAL": ""}
    assert cli("ssh-key", "edit", "deploy", env={**private, "EDITOR": "true"}).stdout == \
        "Nothing changed.\n"
    cli("ssh-key", "edit", "deploy", env={**private, "EDITOR": "sed -i 's/^name: .*/name: Deploy 2/'"})
    shown = json.loads(cli("ssh-key", "show", "Deploy 2", "--json").stdout)
    assert (shown["identifier"], shown["name"]) == ("deploy", "Deploy 2")
    assert list(running[0].folder.glob("holdfast-*.yaml")) == []


def test_two_editors(running, cli, hosts):
    declare(running, cli, hosts)
    folder = running[0].folder
    editor = folder / "editor"  # while it is open, somebody else changes the same key
    editor.write_text(f"#!/bin/sh\n{BIN}/holdfast ssh-key edit deploy --port 2222 >&2\n"
                      "sed -i 's/^name: .*/name: mine/' \"$1\"\n")
    editor.chmod(0o700)
    said = refused(cli, "ssh-key", "edit", "deploy", env={"TMPDIR": str(folder),
                                                          "VISUAL": str(editor)})
    assert "STALE" in said
    kept = re.search(r"your text is kept in (\S+):", said).group(1)
    assert "name: mine" in open(kept).read()
    assert os.stat(kept).st_mode & 0o777 == 0o600
    shown = json.loads(cli("ssh-key", "show", "deploy", "--json").stdout)
    assert (shown["name"], shown["spec"]["port"]) == ("deploy", 2222)
    cli("ssh-key", "edit", "deploy", "--file", kept)
    assert json.loads(cli("ssh-key", "show", "deploy", "--json").stdout)["name"] == "mine"


def test_options_that_cannot_be_are_named(running, cli):
    for option, value in ("label", ""), ("type", "dsa"), ("bits", "7"):
        words = {"label": "x", "type": "rsa", option: value}
        given = [word for name in words for word in ("--" + name, words[name])]
        assert f"--{option} has to be" in refused(cli, "key", "generate", *given)
    empty, _, _ = running
    nothing = empty.folder / "nothing.yaml"
    nothing.touch()
    assert "is empty" in refused(cli, "apply", "--file", str(nothing))
    assert "no mapping" in refused(cli, "connector", "create", "--file", str(nothing))


def test_scopes_and_references(running, cli):
    empty, _, _ = running
    cli("certificate", "create", "Top", "-f", empty.bao.ca_path)
    org = ("--scope", "org/acme")
    mid = ("connector", "create", "mid", *org, "--no-test", "--address", "https://a", "--login",
           "token", "--certificate", "account.top", "--token-file")
    said = refused(cli, *mid, "/t")
    assert "--token-file: " in said and "secret-folders: [{scope: org/acme" in said
    cli(*mid, str(empty.folder / "acme/token"))
    assert cli("connector", "list").stdout.startswith("No connector at account")
    assert "mid" in cli("connector", "list", "--below").stdout
    assert cli("certificate", "show", "account.top", env={"HOLDFAST_SCOPE": "org/acme"}).stdout
    cli("secrets-manager", "create", "low", "--scope", "org/acme/project/web", "--connector",
        "org.mid", "--mount", "ssh")
    assert "--connector: " in refused(cli, "secrets-manager", "create", "x", "--connector",
                                      "org.mid", "--mount", "ssh")
    assert "mid" in refused(cli, "certificate", "delete", "top", "--yes")
    assert "scope" in refused(cli, "certificate", "list", "--scope", "x/y")


def test_apply_and_export(running, cli, hosts):
    declare(running, cli, hosts)
    exported = running[0].folder / "all.yaml"
    cli("export", "--output", exported)
    assert cli("apply", "-f", exported).stdout == "Nothing to change.\n"
    exported.write_text(exported.read_text().replace("name: deploy\n", "name: Renamed\n"))
    plan = cli("apply", "-f", exported, "--dry-run").stdout
    assert "update  ssh-key" in plan and '+ "Renamed"' in plan and "--dry-run" in plan
    assert "nobody to ask" in refused(cli, "apply", "-f", exported)
    assert "1 change applied" in cli("apply", "-f", exported, "--yes").stdout
    one = running[0].folder / "one.yaml"
    one.write_text("resources: []\n")
    assert "5 changes applied" in cli("apply", "-f", one, "--yes", "--prune").stdout
    assert "5 changes applied" in cli("apply", "-f", exported, "--yes").stdout


def test_backup_and_restore(running, cli):
    empty, _, _ = running
    cli("certificate", "create", "one", "-f", empty.bao.ca_path)
    backup = empty.folder / "backup.sqlite3"
    cli("registry", "backup", backup)
    assert str(backup) in refused(cli, "registry", "backup", backup)
    cli("certificate", "create", "two", "-f", empty.bao.ca_path)
    cli("registry", "restore", backup, "--yes")
    assert how_many(cli, "certificate") == 1


def how_many(cli, kind, *options):
    status = json.loads(cli("registry", "status", "--json", *options).stdout)
    (of_kind,) = [k for k in status["kinds"] if k["kind"] == kind]
    return of_kind["resources"]


def test_status_says_how_the_registry_is(running, cli):
    """As somebody sees it whose Vault is down for one key and whose connector lost its certificate."""
    empty, agent, _ = running
    cli("certificate", "create", "CA", "--file", empty.bao.ca_path)
    cli("connector", "create", "Lost", "--address", "https://127.0.0.1:1", "--login", "token",
        "--token-env", "NOBODY_SET_THIS", "--certificate", "ca", check=False)
    cli("secrets-manager", "create", "Lost", "--scope", "org/x", "--connector", "account.lost",
        "--mount", "ssh")
    cli("ssh-key", "create", "Lost", "--scope", "org/x", "--user", me(), "--key", "pkcs11:object=web",
        "--secrets-manager", "lost", "--role", "web")
    wait_for(agent.log, lambda: "NOBODY_SET_THIS" in cli("registry", "status").stdout)
    said = cli("registry", "status").stdout
    assert f"SQLite, {agent.state}/registry.sqlite3" in said and "whole when it was opened" in said
    assert "2 in use at account and below" in said
    assert "not applied, tried again in " in said and "ssh-key lost in org/x" in said
    table = said[said.index("KIND"):said.index("\n\nnot applied")].splitlines()
    assert len(table) == 6 and max(map(len, table)) <= 80
    status = json.loads(cli("registry", "status", "--json").stdout)
    assert status["store"]["kind"] == "sqlite" and status["store"]["writable"]
    assert status["store"]["schema_version"] == 2 and status["store"]["bytes"] > 4096
    assert 0 <= status["retry_s"] <= 300
    assert {(p["kind"], p["scope"], p["identifier"]) for p in status["problems"]} == {
        ("connector", None, "lost"), ("ssh-key", "org/x", "lost")}
    below = json.loads(cli("registry", "status", "--json", "--scope", "org/x").stdout)
    assert [p["identifier"] for p in below["problems"]] == ["lost"]
    assert how_many(cli, "connector") == 1 and how_many(cli, "connector", "--scope", "org/x") == 0
    cli("ssh-key", "delete", "lost", "--scope", "org/x", "--yes")
    wait_for(agent.log, lambda: "not applied" not in cli("registry", "status").stdout)


def test_changes_are_written_down(running, cli, hosts):
    """In a file of their own: the chain of the agent's trail holds beside it."""
    _, agent, _ = running
    declare(running, cli, hosts)
    trail = [json.loads(line) for line in (agent.state / "registry-audit.jsonl").open()]
    assert [(line["what"], line["kind"], line["identifier"]) for line in trail][:2] == [
        ("create", "certificate", "vault_ca"), ("create", "connector", "main")]
    assert all(line["uid"] == os.geteuid() for line in trail)
    wait_for(agent.log, lambda: "certificate-received" in cli("audit", "--json").stdout)
    assert "chain holds" in cli("audit", "--verify").stdout


def test_inventory_and_list_of_hosts(running, cli):
    empty, _, _ = running
    cli("ssh-key", "create", "k", "--user", me(), "--key", f"{empty.token.uri};object=web")
    inventory = empty.folder / "hosts.ini"
    inventory.write_text("[web]\na.example ansible_port=2222\nb.example\n")
    names = empty.folder / "hosts.txt"
    names.write_text("c.example\n")
    cli("infrastructure", "create", "i", "--ssh-key", "k", "--inventory", inventory, "--hosts-file",
        names, "--host", "d.example:22")
    spec = json.loads(cli("infrastructure", "show", "i", "--json").stdout)["spec"]
    assert {h["name"]: h.get("port") for h in spec["hosts"]} == {
        "a.example": 2222, "b.example": None, "c.example": None, "d.example": 22}


def test_secrets_are_refused(running, cli):
    secret = "s.AbCdEfGhIjKlMnOpQrStUvWx"
    said = refused(cli, "connector", "create", "c", "--address", "https://a", "--login", "token",
                   "--set", f"login.token={secret}")
    assert secret not in said and "token_file" in said


def complete(agent, *words):
    """What bash offers for the last word."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              'compopt() { :; }; _holdfast; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", ROOT / "agent/cli/completion.bash",
                           BIN / "holdfast", *words], text=True, capture_output=True, check=True,
                          env=agent.env())
    assert not done.stderr
    return set(done.stdout.split())


def test_names_are_completed(running, cli, hosts):
    _, agent, _ = running
    declare(running, cli, hosts)
    assert "deploy" in complete(agent, "ssh-key", "show", "")
    assert complete(agent, "ssh-key", "show", "de") == {"deploy"}
    assert complete(agent, "connector", "create", "x", "--certificate", "v") == {"vault_ca"}
    assert complete(agent, "run", "-i", "f") == {"farm"}
    assert complete(agent, "connect", "farm/host1") == {"farm/host1"}
    assert complete(agent, "run", "--scope", "org/x", "-i", "") == {"account.farm"}
    assert complete(agent, "key", "show", "w") == {"web"}
    cli("certificate", "create", "c", "--scope", "org/acme/project/web", "-f", running[0].bao.ca_path)
    assert complete(agent, "run", "--scope", "") == {"account", "org/acme/project/web"}
    assert complete(agent, "ssh-key", "list", "--scope", "org/a") == {"org/acme/project/web"}
    agent.stop()
    assert complete(agent, "ssh-key", "show", "de") == set()
