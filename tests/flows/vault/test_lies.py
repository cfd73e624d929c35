"""What a server may do to holdfast-vault with its answers: nothing. Each has clear words and an end."""

import gzip
import time

import pytest

from stage.bao import Bao, Ca, write_private
from vault.probe import Probe
from vault.servers import FakeVault

SIGN = "/v1/ssh/sign/web"
SIGNED = b'{"data": {"signed_key": "a cert"}}'


def head(length, *more):
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {length}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def peak_kb(probe):
    with open(f"/proc/{probe.status()['pid']}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


def test_an_answer_that_is_cut_off(fake, with_fake, key):
    fake.raw[SIGN] = lambda w: w.write(head(1000) + SIGNED)
    with Probe(with_fake) as probe:
        error = probe.error(key, deadline_ms=2000)
    assert error["code"] == "gone" and error["native"] in (18, 56), error  # as OpenSSL 3.0, 3.5 say it


def test_an_answer_that_is_cut_off_is_asked_for_again(fake, with_fake, key):
    def once(w):
        del fake.raw[SIGN]
        w.write(head(1000) + SIGNED)
    fake.raw[SIGN] = once
    fake.answers[SIGN] = (200, {}, SIGNED)
    with Probe(with_fake) as probe:
        probe.cert(key)


def slowly(w, text, step_s=0.05):
    for i in range(len(text)):
        w.write(text[i:i + 1])
        w.flush()
        time.sleep(step_s)


@pytest.mark.parametrize("write", [
    lambda w: slowly(w, head(100000) + b" " * 100000),
    lambda w: slowly(w, b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 10000),
], ids=["body", "headers"])
def test_an_answer_that_drips_hits_the_deadline(fake, with_fake, key, write):
    fake.raw[SIGN] = write
    with Probe({**with_fake, "request_timeout_ms": 1500}) as probe:
        start = time.monotonic()
        assert probe.error(key, deadline_ms=20000)["code"] == "timeout"
        assert 1.2 < time.monotonic() - start < 4


def endless(line):
    def write(w):
        w.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):  # of 1 MB
            w.write(line * (1000000 // len(line)))
    return write


@pytest.mark.parametrize("write", [
    endless(b"X-More: " + b"x" * 90 + b"\r\n"),
    endless(b"x"),
], ids=["many headers", "one header"])
def test_headers_without_an_end(fake, with_fake, key, write):
    fake.raw[SIGN] = write
    with Probe(with_fake) as probe:
        start = time.monotonic()
        error = probe.error(key, deadline_ms=15000)
        assert error["domain"] == "curl" and time.monotonic() - start < 15
        assert peak_kb(probe) < 400_000


def test_a_gzip_bomb_is_not_unpacked(fake, with_fake, key):
    bomb = gzip.compress(b'{"data": "' + b" " * 200_000_000 + b'"}')
    assert len(bomb) < 1_000_000
    fake.answers[SIGN] = (200, {"Content-Encoding": "gzip"}, bomb)
    with Probe(with_fake) as probe:
        error = probe.error(key)
        assert error["code"] == "protocol" and "not a JSON object" in error["text"]
        assert peak_kb(probe) < 400_000
    headers = {k.lower() for k in fake.asked(SIGN)[0]["headers"]}
    assert "accept-encoding" not in headers  # nobody was asked to pack anything


@pytest.mark.parametrize("body", [b"[" * 500000, b'{"a":' * 150000, b'{"data": {"signed_key": "a',
                                  b"\xff\xfe{}", b'{"data": {"signed_key": "\xc3\x28"}}'],
                         ids=["lists", "objects", "half", "utf-16", "not utf-8"])
def test_json_that_is_none(fake, with_fake, key, body):
    fake.answers[SIGN] = (200, {}, body)
    with Probe(with_fake) as probe:
        error = probe.error(key)
        assert error["code"] == "protocol", error
        fake.answers[SIGN] = (200, {}, SIGNED)
        probe.cert(key)  # and the helper lives on
        assert probe.status()["restarts"] == 0


@pytest.mark.parametrize("text", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/9.9 xyz\r\n\r\n", b"\x00" * 100,
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n"],
                         ids=["ssh", "version", "zeros", "chunks"])
def test_what_is_not_http(fake, with_fake, key, text):
    fake.raw[SIGN] = lambda w: w.write(text)
    with Probe(with_fake) as probe:
        error = probe.error(key, deadline_ms=1500)
    assert error["domain"] == "curl", error


@pytest.mark.parametrize("status", [200, 403, 502, 503])
def test_a_page_for_people_is_said_to_be_one(fake, with_fake, key, status):
    page = b"<!DOCTYPE html>\n<html><body><h1>Bad Gateway</h1></body></html>"
    fake.answers[SIGN] = (status, {"Content-Type": "text/html"}, page)
    with Probe(with_fake) as probe:
        error = probe.error(key, deadline_ms=1000)
    assert "proxy" in error["text"] or "is this the address of a Vault?" in error["text"]


def test_a_redirect_to_a_foreign_host_is_refused_and_said(fake, with_fake, tmp_path, key):
    with FakeVault(Ca(tmp_path / "other")) as foreign:
        fake.answers[SIGN] = (307, {"Location": foreign.address + SIGN}, b"")
        with Probe(with_fake) as probe:
            error = probe.error(key)
        assert foreign.address in error["text"] and "not followed" in error["text"]
        assert foreign.connections == 0


def test_a_redirect_to_a_configured_host_is_followed(fake, with_fake, tmp_path, key):
    with FakeVault(fake.ca) as active:
        active.answers[SIGN] = (200, {}, SIGNED)
        fake.answers[SIGN] = (307, {"Location": active.address + SIGN}, b"")
        with Probe({**with_fake, "more": active.address}) as probe:
            probe.cert(key)
            probe.cert(key)
    assert len(fake.asked(SIGN)) == 1  # it stays with the active one


def test_warnings_are_shown(fake, with_fake, tmp_path, key):
    fake.answers["/v1/auth/userpass/login/alice"] = (200, {}, (
        b'{"auth": {"client_token": "s.t", "lease_duration": 60},'
        b' "warnings": ["TTL of \\"9h\\" exceeded the effective max_ttl"]}'))
    fake.answers["/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"] = (
        200, {}, b'{"initialized": true, "sealed": false, "standby": false, "version": "1"}')
    settings = {**with_fake, "login": "userpass", "user": "alice",
                "password_file": write_private(tmp_path / "password", "p")}
    with Probe() as probe:
        steps = probe.ask("check", name="candidate", **settings)
    login = next(s for s in steps if s.get("step") == "login")
    assert 'Vault warns: TTL of "9h" exceeded the effective max_ttl' in login["text"]
    assert login["state"] == "warning"


def test_warnings_of_a_signature_are_logged(fake, with_fake, key):
    fake.answers[SIGN] = (200, {}, b'{"data": {"signed_key": "a cert"}, "warnings": ["capped\\nttl"]}')
    probe = Probe(with_fake)
    probe.cert(key)
    _, log = probe.process.communicate(timeout=60)
    assert "vault test: ssh/sign/web: Vault warns: capped ttl" in log


def test_a_server_that_is_killed_during_a_request(tmp_path, key):
    with Bao(tmp_path / "bao", persistent=True) as bao:
        bao.enable_ssh()
        file = write_private(tmp_path / "root", bao.root_token)
        with Probe({"address": bao.address, "ca": bao.ca_path, "token_file": file}) as probe:
            probe.cert(key)
            bao.pause()
            line = ",".join(f"{k}={v}" for k, v in {
                "mount": "ssh", "role": "web", "principals": "deploy", "key": key, "n": 3,
                "deadline_ms": 2500}.items())
            probe.process.stdin.write(f"sign,{line}\n")  # on their way ...
            probe.process.stdin.flush()
            time.sleep(0.5)
            bao._process.kill()  # ... when nobody is there any more
            bao._process.wait()
            answers = probe.answer()
            assert {a["error"]["code"] for a in answers} == {"gone"}, answers
            assert probe.status()["restarts"] == 0
            bao.start()
            probe.cert(key)
