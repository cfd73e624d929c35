"""No secret on the disk: the agent logs in to OpenBao with a key that stays on the token."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from main.conftest import MOUNT, ROLE
from main.ssh_client import ssh
from stage.agent import wait_for
from stage.bao import Bao, Ca, lasts
from stage.sshd import me

AUDIENCE, SUBJECT = "https://vault.example.org", "host.example.org"


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True,
                          **options).stdout


def public_pem(bench, agent, label="login"):
    """The public half of a key on the token, as PEM."""
    line = agent.holdfast("key", "public", label).stdout
    file = bench.folder / f"{label}.pub"
    file.write_text(line)
    pem = subprocess.run(["ssh-keygen", "-e", "-m", "PKCS8", "-f", file], check=True, text=True,
                         capture_output=True).stdout
    file.with_suffix(".pem").write_text(pem)
    return file.with_suffix(".pem")


def certify(ca, public, name, days=2, is_ca=False):
    """A certificate of @ca for a public key: its file."""
    extensions, cert = public.with_suffix(".ext"), public.with_suffix(".crt")
    extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                          if is_ca else
                          f"subjectAltName=DNS:{name}\nextendedKeyUsage=clientAuth\n")
    openssl("x509", "-new", "-force_pubkey", public, "-subj", f"/CN={name}", "-CA", ca.path,
            "-CAkey", ca.key, *lasts(days), "-extfile", extensions, "-out", cert)
    return cert


def store(bench, cert, label="login", ident=None):
    der = openssl("x509", "-in", cert, "-outform", "DER")
    file = cert.with_suffix(".der")
    file.write_bytes(der)
    ident = ident or bench.ids[label]
    bench.token.tool("--write-object", file, "--type", "cert", "--label", label, "--id", ident)


@pytest.fixture(scope="module", params=["tls13", "tls12"])
def tls(request):
    return request.param


@pytest.fixture(scope="module")
def place(tls):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def bao(place, tls):
    """A server that speaks this version of TLS, and none above."""
    with Bao(place / "bao", listener={"tls_max_version": tls}) as server:
        server.enable_ssh(MOUNT, ROLE, allowed_users=me(), ttl="30m")
        server.allow_sign("signer", f"{MOUNT}/{ROLE}")
        yield server


@pytest.fixture(scope="module")
def client_ca(place):
    return Ca(place / "clients", "client CA")


@pytest.fixture(scope="module")
def cert_bao(bao, client_ca):
    bao.api("POST", "sys/auth/cert", {"type": "cert"})
    bao.api("POST", "auth/cert/certs/agents",
            {"certificate": client_ca.path.read_text(), "token_policies": ["signer"],
             "token_ttl": "20m"})
    return bao


@pytest.fixture
def by_key(bench):
    """An agent that logs in with the key "login", a key of the test's own kind."""
    bench.ids = {"login": "a1", "web": "a2"}

    def make(method, kind="p256", label="login", **login):
        login = {"method": method, "key": f"{bench.token.uri};object={label}", **login}
        signer = bench.signer()
        signer["vault"]["login"] = login
        agent = bench.agent(signers=[signer])
        bench.with_key(agent, "web", "p256", "--id", bench.ids["web"])
        if label != "web":
            bench.with_key(agent, label, kind, "--id", bench.ids[label])
        return agent
    return make


def by_cert(bench, by_key, ca, kind="p256", label="login", **login):
    agent = by_key("cert", kind, label, role="agents", **login)
    store(bench, certify(ca, public_pem(bench, agent, label), SUBJECT), label)
    return agent


def signatures(agent):
    """What the audit trail says of login signatures."""
    file = agent.state / "audit.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if line["event"] == "login-signature"]


def trouble(agent, words):
    """Until the certificate's error has these words."""
    def text():
        error = agent.cert("web")["error"]
        return error and words in error["text"] and error["text"]
    return wait_for(lambda: f"{words}: {agent.cert('web')}\n{agent.log()}", text)


@pytest.mark.parametrize("kind, scheme", [("p256", "ES256"), ("p384", "ES384"), ("rsa", "PS256")])
def test_log_in_by_certificate(bench, by_key, cert_bao, client_ca, place, sshd, tls, kind, scheme):
    with by_cert(bench, by_key, client_ca, kind) as agent:
        agent.wait_active("web")
        assert ssh(agent, sshd, place) == me()
        wait_for("the audit trail", lambda: signatures(agent))
    done = signatures(agent)
    assert {(s["server"], s["statement"], s["scheme"], s["result"]) for s in done} == {
        ("vault", f"{tls}-client", scheme, "signed")}
    assert done[0]["key"] == f"{bench.token.uri};object=login"
    secret_files = {p.name for p in bench.folder.rglob("vault-token*")}
    assert secret_files == {"vault-token"}  # the fixture's, which no setting names
    assert str(bench.folder / "vault-token") not in agent.config.read_text()


def test_log_in_by_jwt(bench, by_key, bao, place, sshd):
    agent = by_key("token-key", role="agents", audience=AUDIENCE, subject=SUBJECT)
    bao.api("POST", "sys/auth/jwt", {"type": "jwt"})
    bao.api("POST", "auth/jwt/config",
            {"jwt_validation_pubkeys": [public_pem(bench, agent).read_text()],
             "bound_issuer": "holdfast"})
    bao.api("POST", "auth/jwt/role/agents",
            {"role_type": "jwt", "user_claim": "sub", "bound_subject": SUBJECT,
             "bound_audiences": [AUDIENCE], "token_policies": ["signer"]})
    with agent:
        agent.wait_active("web")
        assert ssh(agent, sshd, place) == me()
    assert {(s["statement"], s["scheme"], s["result"]) for s in signatures(agent)} == {
        ("jwt", "ES256", "signed")}


def test_a_certificate_that_others_stand_above(bench, by_key, cert_bao, client_ca, place):
    agent = by_key("cert", role="agents")
    middle = Ca(place / f"middle-{bench.folder.name}", "middle CA")
    public = middle.folder / "middle.pub.pem"
    public.write_bytes(openssl("pkey", "-in", middle.key, "-pubout"))
    middle.path = certify(client_ca, public, "middle CA", is_ca=True)
    store(bench, middle.path, "middle", "b1")
    store(bench, client_ca.path, "root", "b2")
    store(bench, certify(middle, public_pem(bench, agent), SUBJECT))
    with agent:
        agent.wait_active("web")


def test_the_key_of_an_identity_signs_no_logins(bench, by_key, cert_bao, client_ca):
    with by_cert(bench, by_key, client_ca, label="web") as agent:
        text = trouble(agent, "too")
    assert "is SSH identity web's too" in text and "share-with-ssh" in text
    assert signatures(agent) == []


def test_unless_they_are_said_to_be_one(bench, by_key, cert_bao, client_ca):
    with by_cert(bench, by_key, client_ca, label="web", **{"share-with-ssh": True}) as agent:
        agent.wait_active("web")
    assert signatures(agent)[0]["result"] == "signed"


def test_no_certificate_yet(bench, by_key, cert_bao, client_ca):
    agent = by_key("cert", role="agents")
    with agent:
        text = trouble(agent, "no certificate")
    assert "holdfast enroll vault" in text
    store(bench, certify(client_ca, public_pem(bench, agent), SUBJECT))
    with agent:
        agent.wait_active("web")


def test_no_key(bench, by_key, cert_bao):
    agent = by_key("cert", role="agents")
    agent.settings["signers"][0]["vault"]["login"]["key"] += "-of-another"
    agent.write_config()
    with agent:
        trouble(agent, "login-of-another")


def test_an_expired_certificate_is_not_shown_to_vault(bench, by_key, cert_bao, client_ca):
    agent = by_key("cert", role="agents")
    store(bench, certify(client_ca, public_pem(bench, agent), SUBJECT, days=-1))
    with agent:
        trouble(agent, "certificate ended at")
    assert signatures(agent) == []


def test_a_helper_that_was_killed_logs_in_again(bench, by_key, cert_bao, client_ca):
    with by_cert(bench, by_key, client_ca) as agent:
        agent.wait_active("web")
        before = len(signatures(agent))
        os.kill(agent.helpers("holdfast-vault")[0], signal.SIGKILL)
        wait_for("its end", lambda: not agent.helpers("holdfast-vault"))
        serial = agent.cert("web")["serial"]
        agent.holdfast("renew", "web")
        assert agent.cert("web")["serial"] != serial
    assert before < len(signatures(agent)) <= before + 8


def test_vault_does_not_know_the_ca(bench, by_key, cert_bao, place):
    stranger = Ca(place / f"stranger-{bench.folder.name}", "a stranger")
    with by_cert(bench, by_key, stranger) as agent:
        text = trouble(agent, "Vault says")
        wait_for("the audit trail", lambda: signatures(agent))
    assert "400" in text or "403" in text, text
    assert ROLE in agent.config.read_text() and len(signatures(agent)) < 60
