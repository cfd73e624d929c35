"""Vault servers by command line: connectors with each login that needs no key, `vault check` and
`vault ca`, for connectors and for signers of holdfast.yaml."""

import json
import subprocess

import pytest

from main.conftest import MOUNT, ROLE
from registry.test_cli import cli, refused  # noqa: F401 (cli is a fixture)
from stage.agent import vault_signer, wait_for
from stage.bao import write_private
from stage.jwt import Issuer
from stage.sshd import me


def enable(bao, kind):
    if f"{kind}/" not in bao.api("GET", "sys/auth")["data"]:
        bao.api("POST", f"sys/auth/{kind}", {"type": kind})


def steps(done):
    """{step: (mark, words)} of a test as a person sees it."""
    found, last = {}, None
    for line in done.stderr.splitlines():
        if line[:1] in "✓!-✗" and len(line.split()) > 3:
            mark, last, _, _, words = line.split(None, 4)
            found[last] = mark, words
        elif last:
            found[last] = found[last][0], found[last][1] + " " + line.strip()
    return found


def certificate(running, cli):  # noqa: F811
    cli("certificate", "create", "Vault CA", "--file", running[0].bao.ca_path)
    return ("--address", running[0].bao.address, "--certificate", "vault_ca")


def signs(running, cli):  # noqa: F811
    """The connector "main" gives an identity its certificate."""
    empty, agent, _ = running
    cli("secrets-manager", "create", "signer", "--connector", "main", "--mount", MOUNT,
        "--default-role", ROLE)
    cli("ssh-key", "create", "deploy", "--user", me(), "--secrets-manager", "signer",
        "--token", "demo", "--key", f"{empty.token.uri};object=web")
    agent.wait_active("deploy")


def test_userpass(running, cli):  # noqa: F811
    empty, _, _ = running
    enable(empty.bao, "userpass")
    empty.bao.api("POST", "auth/userpass/users/machine", {
        "password": "a long one", "token_policies": ["signer"]})
    file = write_private(empty.folder / "password", "a long one\n")
    server = certificate(running, cli)
    login = ("--login", "userpass", "--login-user", "machine")
    said = refused(cli, "connector", "create", "main", *server, *login)
    assert "--password-file: is missing: the method userpass needs it" in said
    done = cli("connector", "create", "main", *server, *login, "--password-file", file,
               "--revoke-on-stop")
    assert steps(done)["login"][0] == "✓"
    shown = json.loads(cli("connector", "show", "main", "--json").stdout)["spec"]["login"]
    assert (shown["method"], shown["user"], shown["revoke_on_stop"]) == ("userpass", "machine", True)
    signs(running, cli)
    agent = running[1]
    assert agent.identity("deploy")["renewal"] == "eager"
    cli("ssh-key", "edit", "deploy", "--renewal", "when-used")
    wait_for(agent.log, lambda: agent.identity("deploy")["renewal"] == "when-used")
    write_private(file, "another")
    said = steps(cli("connector", "test", "main", check=False))["login"]
    assert said[0] == "✗" and "Vault says: invalid username or password" in said[1]


def test_jwt(running, cli):  # noqa: F811
    empty, _, _ = running
    issuer = Issuer(empty.folder)
    enable(empty.bao, "jwt")
    empty.bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public_pem]})
    empty.bao.api("POST", "auth/jwt/role/machine", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": ["signer"]})
    file = write_private(empty.folder / "jwt", issuer.token() + "\n")
    server = certificate(running, cli)
    said = refused(cli, "connector", "create", "main", *server, "--login", "jwt", "--login-role",
                   "machine", "--set", f"login.jwt_file={issuer.token()}")
    assert "secrets do not enter the registry" in said and "eyJ" not in said
    done = cli("connector", "create", "main", *server, "--login", "jwt", "--login-role", "machine",
               "--jwt-file", file)
    assert steps(done)["login"][0] == "✓"
    signs(running, cli)
    cli("connector", "edit", "main", "--login-role", "nobody")
    assert "Vault says" in steps(cli("connector", "test", "main", check=False))["login"][1]


def test_a_wrapped_token(running, cli):  # noqa: F811
    empty, _, _ = running
    wrapped = empty.bao.api("POST", "auth/token/create", {"policies": ["signer"], "ttl": "1h"},
                            wrap_ttl="5m")["wrap_info"]["token"]
    file = write_private(empty.folder / "wrapped", wrapped)
    done = cli("connector", "create", "main", *certificate(running, cli), "--login", "token",
               "--token-file", file, "--wrapped", "--set", "login.wrapping_path=auth/token/create")
    assert steps(done)["login"][0] == "✓"
    signs(running, cli)


def login_key(running):
    """A key of its own for logins, on the token: its public half as PEM."""
    empty, agent, _ = running
    agent.holdfast("key", "generate", "--label", "login", "--type", "p256")
    line = empty.folder / "login.pub"
    line.write_text(agent.holdfast("key", "public", "login").stdout)
    return subprocess.run(["ssh-keygen", "-e", "-m", "PKCS8", "-f", line], check=True, text=True,
                          capture_output=True).stdout


def test_token_key(running, cli):  # noqa: F811
    """No secret is on the disk: a key that stays on the token signs what logs in."""
    empty, agent, _ = running
    enable(empty.bao, "jwt")
    empty.bao.api("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [login_key(running)]})
    empty.bao.api("POST", "auth/jwt/role/machine", {
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "token_policies": ["signer"]})
    done = cli("connector", "create", "main", *certificate(running, cli), "--login", "token-key",
               "--login-role", "machine", "--login-key", f"{empty.token.uri};object=login",
               "--audience", "vault", "--subject", "host1")
    assert steps(done)["login"][0] == "✓"
    signs(running, cli)
    cli("vault", "check", "main", "--mount", MOUNT, "--role", ROLE)
    cli("connector", "edit", "main", "--audience", "other")
    said = steps(cli("connector", "test", "main", check=False))["login"]
    assert said[0] == "✗" and "Vault says" in said[1]
    cli("connector", "edit", "main", "--login-key", f"{empty.token.uri};object=nothing")
    said = steps(cli("connector", "test", "main", check=False))["login"]
    assert said[0] == "✗" and "nothing" in said[1]


def test_cert(running, cli):  # noqa: F811
    """The same by TLS, with a certificate that lies beside the key."""
    empty, agent, _ = running
    empty.bao.enable_pki("pki", "machines")
    empty.bao.enable_cert("machines", empty.bao.pki_ca("pki"), ["signer"])
    empty.bao.policy("pki", 'path "pki/sign/machines" { capabilities = ["update"] }')
    token = write_private(empty.folder / "pki", empty.bao.token(["pki"], ttl="1h"))
    agent.stop()
    agent.settings["signers"] = [vault_signer(empty.bao, "corp", method="token",
                                              **{"token-file": str(token)})]
    agent.write_config()
    agent.start()
    agent.wait_token("ready")
    login_key(running)
    server = certificate(running, cli)
    login = ("--login", "cert", "--login-key", f"{empty.token.uri};object=login")
    said = steps(cli("connector", "create", "early", *server, *login, check=False))["login"]
    assert said[0] == "✗" and "certificate" in said[1]  # there is none yet
    cli("key", "certify", "login", "--signer", "corp", "--pki-mount", "pki", "--pki-role",
        "machines", "--common-name", "host1")
    done = cli("connector", "create", "main", *server, *login)
    assert steps(done)["login"][0] == "✓"
    signs(running, cli)


@pytest.fixture
def checked(running, cli):  # noqa: F811
    """The connector "main" with a policy that may look, and the signer "corp" of holdfast.yaml."""
    empty, agent, _ = running
    empty.bao.policy("looker", f'path "{MOUNT}/sign/{ROLE}" {{ capabilities = ["update"] }}\n'
                               f'path "{MOUNT}/roles/*" {{ capabilities = ["read"] }}\n')
    token = write_private(empty.folder / "looker", empty.bao.token(["looker"], ttl="1h"))
    cli("connector", "create", "main", *certificate(running, cli), "--login", "token",
        "--token-file", token)
    agent.stop()
    agent.settings["signers"] = [vault_signer(empty.bao, "corp", method="token",
                                              **{"token-file": str(token)})]
    agent.write_config()
    agent.start()
    return empty


@pytest.mark.parametrize("name", ["main", "corp"])
def test_vault_check(checked, cli, name):  # noqa: F811
    done = cli("vault", "check", name, "--mount", MOUNT, "--role", ROLE, "--principal", me())
    said = steps(done)
    assert list(said) == ["reach", "tls", "health", "login", "token", "engine"]
    assert "unsealed" in said["health"][1] and "looker" in said["token"][1]
    assert f"update is allowed on {MOUNT}/sign/{ROLE}" in said["engine"][1]
    assert f"users: {me()}" in said["engine"][1] and f'"{me()}" is allowed' in said["engine"][1]
    assert "certificates last 30m" in said["engine"][1] and "permit-pty" in said["engine"][1]

    done = cli("vault", "check", name, "--mount", MOUNT, "--role", ROLE, "--principal", "mallory",
               check=False)
    assert done.returncode == 1 and steps(done)["engine"][0] == "✗"
    assert 'does not allow the principal "mallory"' in steps(done)["engine"][1]
    done = cli("vault", "check", name, "--mount", MOUNT, "--role", "other", check=False)
    assert done.returncode == 1 and f"on {MOUNT}/sign/other" in steps(done)["engine"][1]
    assert "--mount" in refused(cli, "vault", "check", name, "--role", ROLE)
    lines = cli("vault", "check", name, "--json").stdout.splitlines()
    assert json.loads(lines[-1])["failed"] is None


def test_a_templated_role_is_told_as_one(checked, cli):  # noqa: F811
    checked.bao.enable_ssh(MOUNT, "templated", allowed_users="{{identity.entity.name}}",
                           allowed_users_template=True)
    checked.bao.policy("looker", f'path "{MOUNT}/*" {{ capabilities = ["read", "update"] }}')
    done = cli("vault", "check", "corp", "--mount", MOUNT, "--role", "templated", "--principal", me())
    said = steps(done)["engine"]
    assert said[0] == "!" and "users: {{identity.entity.name}} (a template:" in said[1]


@pytest.mark.parametrize("name", ["main", "corp"])
def test_vault_ca(checked, cli, name):  # noqa: F811
    bao = checked.bao
    first = bao.ssh_ca(MOUNT)
    line = cli("vault", "ca", name, "--mount", MOUNT).stdout
    assert line == f"{' '.join(first.split()[:2])} {name}/{MOUNT}\n"
    line = cli("vault", "ca", name, "--mount", MOUNT, "--hosts", "*.example.com").stdout
    assert line.startswith("@cert-authority *.example.com ssh-")
    other = bao.api("POST", f"{MOUNT}/issuers/import", {
        "generate_signing_key": True, "key_type": "ed25519"})["data"]
    lines = cli("vault", "ca", name, "--mount", MOUNT, "--issuer", "default", "--issuer",
                other["issuer_id"]).stdout.splitlines()
    assert [entry.split()[1] for entry in lines] == [first.split()[1],
                                                     other["public_key"].split()[1]]
    assert 'mounted at "nowhere"' in refused(cli, "vault", "ca", name, "--mount", "nowhere")
    assert "--mount" in refused(cli, "vault", "ca", name)
    assert "one pattern" in refused(cli, "vault", "ca", name, "--mount", MOUNT, "--hosts", "a b")
    assert "no connector 'nobody'" in refused(cli, "vault", "ca", "nobody", "--mount", MOUNT)


def test_scopes_and_their_keys(running, cli):  # noqa: F811
    """A login key below the account has to be given, as files have."""
    said = refused(cli, "connector", "create", "x", "--scope", "org/acme", "--address", "https://a",
                   "--login", "cert", "--login-key", "pkcs11:object=web", "--no-test")
    assert "--login-key: " in said and "login-keys" in said
    said = refused(cli, "connector", "create", "x", "--scope", "org/acme", "--address", "https://a",
                   "--login", "token", "--token-env", "HOME", "--no-test")
    assert "only a resource of the account" in said
