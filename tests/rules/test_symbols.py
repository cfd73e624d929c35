"""Privilege lines are executables: what a program must never have, it does not import."""

import re
import subprocess

import pytest

from tree import BUILD

CURL, SSL, JSON, EVENT, SSH2 = r"curl_", r"SSL_", r"json_", r"event_|evhttp", r"libssh2_"
SQLITE, LIBP11, CYAML, YAML = r"sqlite3_", r"PKCS11_", r"cyaml_", r"cyaml_|yaml_"
LOADER = r"dlopen"
NEVER = {
    "holdfast": [SSL, EVENT, SSH2, SQLITE, LIBP11, CYAML, LOADER],
    "holdfast-agent": [CURL, SSL, SSH2, LIBP11, LOADER],
    "holdfast-token": [CURL, SSL, JSON, EVENT, SSH2, SQLITE, YAML],
    "holdfast-vault": [EVENT, SSH2, SQLITE, LIBP11, YAML, LOADER],
    "holdfast-connect": [CURL, SSL, JSON, EVENT, SQLITE, LIBP11, YAML, LOADER],
}
# A static libssh2 has its own functions inside: then these must be defined, not imported.
NEEDS = {
    "holdfast": CURL, "holdfast-agent": EVENT, "holdfast-token": LIBP11, "holdfast-vault": CURL,
}


def imported(program):
    done = subprocess.run(["nm", "-D", "--undefined-only", BUILD / "bin" / program], text=True,
                          capture_output=True, check=True)
    return [line.split()[-1].split("@")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("program", NEVER)
def test_never_has(program):
    symbols = imported(program)
    wrong = [s for s in symbols for pattern in NEVER[program] if re.match(pattern, s)]
    if "__asan_init" in " ".join(symbols):  # the sanitizer's runtime brings dlopen of its own
        wrong = [s for s in wrong if not re.match(LOADER, s)]
    assert not wrong, f"{program} imports {wrong}"


@pytest.mark.parametrize("program", NEEDS)
def test_check_can_see(program):
    """The same look finds what the program does need: so an empty answer above means something."""
    assert any(re.match(NEEDS[program], s) for s in imported(program))
