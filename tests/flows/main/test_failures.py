"""What bad input and failures get: a clear error, and nothing lost."""

import json
import pathlib
import shutil
import subprocess

import pytest

from main.conftest import MOUNT, ROLE
from main.ssh_client import ssh
from stage.agent import BIN, wait_for
from stage.bao import Ca, write_private
from stage.sshd import me
from vault.servers import SilentServer


def error_of(agent, name="web"):
    """The words that the certificate's error has, once there is one."""
    def error():
        fault = agent.cert(name)["error"]
        return fault["text"] if fault else None
    return wait_for(lambda: f"an error: {agent.cert(name)}\n{agent.log()}", error, 40)


def pin_flags(bench):
    return bench.token.tool("--list-token-slots", pin=False).stdout


# --- tokens and PINs ---


def test_wrong_pin_is_tried_once(bench):
    agent = bench.with_key(bench.agent())
    bench.token.pin_file.write_text("11111111\n")
    with agent:
        token = agent.wait_token("locked")
        assert "CKR_PIN_INCORRECT" in token["error"]["text"], token
        assert token["pin"]["refused"] and token["pin"]["count_low"], token
        assert "user PIN count low" in pin_flags(bench)
    with agent:  # a restart spends no second try
        token = agent.wait_token("locked")
        assert token["pin"]["refused"], token
    assert agent.log().count("CKR_PIN_INCORRECT") == 1, agent.log()
    bench.token.pin_file.write_text(bench.token.pin + "\n")  # a changed file is another source
    with agent:
        agent.wait_token("ready")


def test_unlock_asks_on_the_terminal(bench):
    agent = bench.with_key(bench.agent())
    agent.settings["tokens"][0]["pin"] = []
    agent.write_config()
    with agent:
        agent.wait_token("locked")
        typed = unlock(agent, "99999999")
        assert "CKR_PIN_INCORRECT" in typed, typed
        typed = unlock(agent, bench.token.pin)
        assert "ready" in typed and bench.token.pin not in typed, typed
        agent.wait_active("web")


def unlock(agent, pin):
    """holdfast token unlock on a terminal of its own; what the terminal showed."""
    import os
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BIN / "holdfast", ["holdfast", "token", "unlock"], agent.env())
    shown = b""
    while not shown.endswith(b": "):
        shown += os.read(terminal, 1024)
    os.write(terminal, pin.encode() + b"\n")
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode()


def pin_script(bench):
    """A program that prints the PIN, and leaves a mark each time."""
    script = write_private(bench.folder / "give-pin", "#!/bin/sh\n"
                           f"echo asked >> {bench.folder}/asked\necho {bench.token.pin}\n")
    script.chmod(0o700)
    return script


@pytest.mark.parametrize("source", ["environment", "command", "credential"])
def test_unattended_pin_sources(bench, source):
    env, pin = {}, {source: "HOLDFAST_TEST_PIN"}
    if source == "environment":
        env["HOLDFAST_TEST_PIN"] = bench.token.pin
    elif source == "command":
        pin = {"command": [str(pin_script(bench))]}
    else:
        write_private(bench.folder / "the-pin", bench.token.pin)
        env["CREDENTIALS_DIRECTORY"] = str(bench.folder)
        pin = {"credential": "the-pin"}
    agent = bench.with_key(bench.agent())
    agent.settings["tokens"][0]["pin"] = [pin]
    agent.extra_env.update(env)
    agent.write_config()
    with agent:
        agent.wait_token("ready")
        environ = pathlib.Path(f"/proc/{agent.pid}/environ").read_bytes()
        assert bench.token.pin.encode() not in environ


def test_askpass_asks_at_the_first_signature(bench, place, sshd):
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
    agent.settings["tokens"][0]["pin"] = [{"askpass": True}]
    agent.extra_env.update(SSH_ASKPASS=str(pin_script(bench)), SSH_ASKPASS_REQUIRE="force")
    agent.write_config()
    asked = bench.folder / "asked"
    with agent:
        assert len(agent.list_blobs()) == 1  # listing asks nobody
        assert agent.wait_token("locked") and not asked.exists()
        assert ssh(agent, sshd, place) == me()
        assert ssh(agent, sshd, place) == me()
        assert asked.read_text() == "asked\n"
        assert agent.wait_token("ready")


def test_module_path_missing(bench):
    agent = bench.agent([], modules=[{"name": "gone", "path": "/nonexistent/module.so"}])
    with agent:
        module = wait_for("an error", lambda: [m for m in agent.status()["modules"] if m["error"]])[0]
    assert "/nonexistent/module.so" in module["error"]["text"]


def test_not_a_pkcs11_module(bench):
    libc = next(p for p in pathlib.Path("/usr/lib").glob("*-linux-gnu/libcrypto.so.3"))
    agent = bench.agent([], modules=[{"name": "libcrypto", "path": str(libc)}])
    with agent:
        module = wait_for("an error", lambda: [m for m in agent.status()["modules"] if m["error"]])[0]
    assert "C_GetFunctionList" in module["error"]["text"]


def test_two_tokens_match_one_uri(bench):
    bench.token.init(bench.token.label)
    with bench.agent([]) as agent:
        token = agent.wait_token("failed")
    text = token["error"]["text"]
    assert text.count("serial=") == 2, text


def test_token_removed_and_back(bench, place, sshd):
    agent = bench.with_key(bench.agent())
    with agent:
        agent.wait_active("web")
        bench.token.remove()
        failed = ssh(agent, sshd, place, check=False)
        assert failed.returncode != 0
        agent.wait_token("absent")
        assert len(agent.list_blobs()) == 1  # the certificate stays listed
        bench.token.restore()
        agent.wait_token("ready", 40)
        assert ssh(agent, sshd, place) == me()


def test_module_that_crashes_in_sign(bench, place, sshd):
    shim = BIN.parent / "tests/fakes/p11shim.so"
    plan = bench.folder / "plan"
    plan.write_text("")
    agent = bench.with_key(bench.agent())
    agent.settings["modules"] = [{"name": "shim", "path": str(shim)}]
    profiles = bench.folder / "profiles"
    profiles.mkdir()
    (profiles / "90-shim.yaml").write_text(
        "match:\n  module: [p11shim.so]\nload:\n"
        "  environment: [HOME, LANG, SOFTHSM2_CONF, P11SHIM_MODULE, P11SHIM_CONTROL]\n")
    agent.settings["agent"]["profiles"] = [str(profiles)]
    agent.extra_env.update(P11SHIM_MODULE=bench.token.module, P11SHIM_CONTROL=str(plan))
    agent.write_config()
    with agent:
        agent.wait_active("web")
        before = agent.helpers("holdfast-token")
        plan.write_text("C_Sign:1:crash\n")
        assert ssh(agent, sshd, place, check=False).returncode != 0
        plan.write_text("")
        wait_for(agent.log, lambda: agent.helpers("holdfast-token") not in ([], before))
        agent.wait_token("ready")
        assert ssh(agent, sshd, place) == me()
        assert "holdfast-token shim was restarted once and runs since " in \
            agent.holdfast("status").stdout
    assert "signal" in agent.log()


# --- Vault ---


def test_vault_down(bench, place, sshd):
    signer = bench.signer()
    signer["vault"]["address"] = "https://127.0.0.1:9"
    agent = bench.with_key(bench.agent(signers=[signer]))
    with agent:
        assert "127.0.0.1:9" in error_of(agent) or "onnect" in error_of(agent)


def test_vault_sealed(bench, bao):
    agent = bench.with_key(bench.agent())
    bao.seal()
    try:
        with agent:
            assert "sealed" in error_of(agent).lower()
            bao.unseal()
            agent.wait_active("web", 60)
    finally:
        if bao.seal_status()["sealed"]:
            bao.unseal()


def test_vault_403_shows_its_words(bench, bao):
    token = bao.token(["default"], ttl="1h")
    agent = bench.with_key(bench.agent(signers=[bench.signer(token)]))
    with agent:
        text = error_of(agent)
        assert "permission denied" in text and "403" in text, text
        assert agent.cert("web")["state"] == "refused"


def test_wrong_ca_certificate(bench):
    other = Ca(bench.folder / "other", "another CA")
    signer = bench.signer()
    signer["vault"]["ca-bundle"] = str(other.path)
    agent = bench.with_key(bench.agent(signers=[signer]))
    with agent:
        assert "certificate" in error_of(agent)


def test_slow_vault_has_a_deadline(bench):
    with SilentServer() as server:
        signer = bench.signer(timeout="1s")
        signer["vault"]["address"] = server.address
        agent = bench.with_key(bench.agent(signers=[signer]))
        with agent:
            assert "timed out" in error_of(agent).lower() or "timeout" in error_of(agent).lower()


def test_role_refuses_the_principal(bench):
    agent = bench.with_key(bench.agent([bench.identity(wants=[bench.want(principals=["nobody"])])]))
    with agent:
        text = error_of(agent)
        assert "nobody" in text and "valid_principals" in text or "not" in text, text


def test_role_refuses_an_extension(bench):
    wants = [bench.want(extensions=["permit-X11-forwarding"])]
    agent = bench.with_key(bench.agent([bench.identity(wants=wants)]))
    with agent:
        assert "permit-X11-forwarding" in error_of(agent)


def test_a_working_certificate_outlives_a_refusal(bench, bao, place, sshd):
    token = bao.token(["signer"], ttl="1h")
    agent = bench.with_key(bench.agent(signers=[bench.signer(token)]))
    with agent:
        serial = agent.wait_active("web")["serial"]
        bao.api("POST", "auth/token/revoke", {"token": token})
        done = agent.holdfast("renew", "web", check=False)
        assert done.returncode == 1 and "permission denied" in done.stderr, done.stderr
        assert agent.cert("web")["serial"] == serial
        assert ssh(agent, sshd, place) == me()


# --- configuration and sockets ---


@pytest.mark.parametrize("change,words", [
    (lambda s: s["identities"][0].update(oops=1), ["oops", "identities[0]"]),
    (lambda s: s["identities"][0]["certificates"][0].pop("principals"), ["principals"]),
    (lambda s: s["identities"][0]["certificates"][0].update(signer="none"), ["none", "signer"]),
    (lambda s: s["tokens"][0].update(uri="pkcs11:token=a;pin-value=1234"), ["uri"]),
    (lambda s: s["modules"][0].update(path="relative.so"), ["absolute"]),
    (lambda s: s["signers"][0]["vault"].update(address="http://vault"), ["https"]),
])
def test_broken_configuration(bench, change, words):
    agent = bench.agent()
    change(agent.settings)
    agent.write_config()
    done = agent.holdfast("config", "check", check=False)
    line = done.stderr
    assert done.returncode == 1 and f"{agent.config}:" in line, line
    assert line.split(f"{agent.config}:")[1].split(":")[0].isdigit(), line
    for word in words:
        assert word in line
    assert "1234" not in line


def test_socket_of_a_live_agent_is_refused(bench):
    with bench.agent([], signers=[]) as agent:
        done = subprocess.run([BIN / "holdfast-agent"], env=agent.env(), text=True,
                              capture_output=True, timeout=30)
        assert done.returncode == 1 and str(agent.socket) in done.stderr, done.stderr
        assert agent.status()["pid"] == agent.pid


def test_no_agent_runs(bench):
    done = bench.agent([], signers=[]).holdfast("status", check=False)
    assert done.returncode == 1 and "holdfast agent" in done.stderr


def test_init_writes_a_configuration_that_is_in_order(bench):
    agent = bench.agent([], signers=[])
    agent.config.unlink()
    agent.holdfast("init", "--yes", "--module", bench.token.module)
    assert "in order" in agent.holdfast("config", "check").stdout
    tokens = json.loads(agent.holdfast("token", "list", "--json").stdout)["tokens"]
    assert [t["label"] for t in tokens] == [bench.token.label]
    done = agent.holdfast("init", "--yes", "--module", bench.token.module, check=False)
    assert done.returncode == 1 and "--force" in done.stderr


def test_token_show_explains_the_profile(bench):
    agent = bench.agent([], signers=[])
    shown = agent.holdfast("token", "show").stdout
    assert "30-softhsm2.yaml" in shown and "threads-max" in shown and bench.token.label in shown
