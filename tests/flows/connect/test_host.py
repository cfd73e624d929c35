"""Which hosts holdfast-connect believes: known_hosts, @revoked, @cert-authority."""

import contextlib

import pytest

from stage.sshd import Sshd, fingerprint, keygen, public_line, run


# --- which host is believed ---

def refused(place, sshd, agent, code, *words):
    """Refused before the host learns the user's name."""
    done = place.run(sshd, agent, user="must-not-be-seen").failed("host-key", code, *words)
    assert "must-not-be-seen" not in sshd.log()
    return done


def test_hashed_name(place, sshd, agent):
    place.know("other ssh-ed25519 AAAA", sshd.known_hosts_line())
    run("ssh-keygen", "-q", "-H", "-f", place.known)
    assert sshd.address not in place.known.read_text()
    assert f"{place.known}:2" in place.run(sshd, agent).worked().steps["host-key"]["text"]


def test_several_files_and_one_that_is_missing(place, sshd, agent, folder):
    empty = folder / "empty"
    empty.write_text("")
    place.run(sshd, agent, known=[folder / "absent", empty, place.known]).worked()


def test_name_without_port(place, sshd, agent):
    place.know(f"127.0.0.* {public_line(sshd.host_key())}")
    place.run(sshd, agent).worked()


def test_changed_key(place, sshd, agent, new_key):
    old = new_key()
    place.know(f"{sshd.known_hosts_name} {public_line(old)}")
    refused(place, sshd, agent, "denied", "host key changed", f"{place.known}:1",
            fingerprint(sshd.host_key()), fingerprint(old))


def test_known_key_of_another_type(place, sshd, agent, new_key):
    place.know(f"{sshd.known_hosts_name} {public_line(new_key('p256'))}")
    refused(place, sshd, agent, "denied", "host key changed", "has p256")


def test_revoked_key(place, sshd, agent):
    line = sshd.known_hosts_line()
    place.know(line, f"@revoked * {public_line(sshd.host_key())}")
    refused(place, sshd, agent, "denied", "@revoked", f"{place.known}:2")


def test_unknown_host_gets_the_line_to_add(place, sshd, agent):
    place.know(f"elsewhere {public_line(sshd.host_key())}",
               f"*,!{sshd.known_hosts_name} {public_line(sshd.host_key())}")
    done = refused(place, sshd, agent, "not-found", fingerprint(sshd.host_key()))
    place.know(done.error.split("known_hosts: ")[1])
    place.run(sshd, agent).worked()


def test_types_that_are_known_are_asked_for(place, agent):
    with Sshd(place.folder, host_keys=["ed25519", "rsa", "p384"], user_ca=place.ca) as sshd:
        for kind in sshd.kinds:
            place.know(sshd.known_hosts_line(kind))
            assert kind in place.run(sshd, agent).worked().steps["host-key"]["text"]


# --- hosts known by @cert-authority only ---

@pytest.fixture(scope="module")
def host_ca(place):
    return keygen(place.folder / "host-ca", "p256")


@contextlib.contextmanager
def certified_sshd(place, ca, kinds=("ed25519",), certified="ed25519", **fields):
    sshd = Sshd(place.folder, host_keys=kinds, user_ca=place.ca)
    sshd.certify_host(ca, certified, **{"principals": ["127.0.0.1"], "key_id": "host", **fields})
    with sshd:
        place.know(f"@cert-authority 127.0.0.1,[127.0.0.1]:* {public_line(ca)}")
        yield sshd


def test_host_certificate(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        text = place.run(sshd, agent).worked().steps["host-key"]["text"]
    assert f'known as @cert-authority in {place.known}:1 by certificate "host" serial 1' in text


def test_host_certificate_with_patterns(place, agent, host_ca):
    with certified_sshd(place, host_ca, principals=["elsewhere", "127.0.0.?"]) as sshd:
        place.run(sshd, agent).worked()


def test_only_one_of_the_host_keys_is_certified(place, agent, host_ca):
    with certified_sshd(place, host_ca, ("ed25519", "rsa", "p521"), "rsa") as sshd:
        assert "rsa" in place.run(sshd, agent).worked().steps["host-key"]["text"]


@pytest.mark.parametrize("fields, words", [
    ({"principals": ["elsewhere.example"]}, "it is for (elsewhere.example), not for 127.0.0.1"),
    ({"principals": []}, "it is for (), not for 127.0.0.1"),
    ({"validity": "20200101000000:20200102000000"}, "it expired at 2020-01-0"),
    ({"validity": "20400101000000:20400102000000"}, "it is valid only from 20"),
])
def test_host_certificate_that_does_not_hold(place, agent, host_ca, fields, words):
    with certified_sshd(place, host_ca, **fields) as sshd:
        refused(place, sshd, agent, "certificate", 'host certificate "host"', words)


def test_host_certificate_of_another_ca(place, agent, host_ca, new_key):
    other = new_key()
    with certified_sshd(place, other) as sshd:
        place.know(f"@cert-authority * {public_line(host_ca)}")
        refused(place, sshd, agent, "certificate", f"its CA is ed25519 {fingerprint(other)}",
                fingerprint(host_ca))


def test_host_certificate_of_a_revoked_ca(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        place.know(place.known.read_text(), f"@revoked * {public_line(host_ca)}")
        refused(place, sshd, agent, "denied", "its CA", "@revoked")


def test_host_with_a_revoked_key_and_a_certificate(place, agent, host_ca):
    with certified_sshd(place, host_ca) as sshd:
        place.know(place.known.read_text(), f"@revoked * {public_line(sshd.host_key())}")
        refused(place, sshd, agent, "denied", "@revoked")


def test_host_without_a_certificate(place, sshd, agent, host_ca):
    place.know(f"@cert-authority * {public_line(host_ca)}")
    refused(place, sshd, agent, "certificate", "shows no host certificate", f"{place.known}:1")
