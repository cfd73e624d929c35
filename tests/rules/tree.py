"""The source tree as the rules see it."""

import functools
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLDFAST_BUILD", ROOT / "build/asan"))

# A folder uses only folders of a lower tier. (The design has profile/ beside module/; it needs
# module/ for URIs and mechanism names, so it stands one
# above; store/ answers on io/'s loop, so it and registry/ do too.)
TIERS = {"base": 0, "ssh": 1, "ipc": 1, "pkcs11/module": 1, "io": 2,
         "pkcs11/profile": 2,
         "store": 3, "audit": 3, "registry": 4, "signer": 3, "pkcs11/token": 3, "vault": 4,
         "connect": 4, "pkcs11/remote": 4, "ca": 5, "identity": 5, "policy": 6, "renew": 6, "enroll": 6, "protocol": 7,
         "control": 7, "daemon": 8, "cli": 8}


@functools.cache
def files(*patterns):
    """Files under version control, or new and not ignored, that match the git patterns."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                            cwd=ROOT, text=True, capture_output=True, check=True).stdout
    return [ROOT / name for name in sorted(set(listed.split("\n"))) if name and (ROOT / name).exists()]


def sources():
    """Product code: .c and .h of agent/ and pkcs11/."""
    return files("agent/*.c", "agent/*.h", "pkcs11/*.c", "pkcs11/*.h")


def c_files():
    """All C code of ours."""
    return files("*.c", "*.h")


def module_of(path):
    """"identity", "pkcs11/remote", ...: the folder's name in the table of CMakeLists.txt."""
    folder = path.relative_to(ROOT).parent.as_posix()
    return folder.removeprefix("agent/")


@functools.cache
def table():
    """{folder: folders it may use}, from CMakeLists.txt."""
    text = (ROOT / "CMakeLists.txt").read_text()
    rows = re.findall(r"^module\((\S+)\s+([^)]*)\)", text, re.MULTILINE)
    found = {}
    for path, rest in rows:
        uses = re.search(r"USES\s+(.*?)(?:PKG|$)", rest, re.DOTALL)
        found[path.removeprefix("agent/")] = uses.group(1).split() if uses else []
    return found


def includes(path):
    """(line number, header, is it in quotes) of each #include."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def where(path, number=None):
    name = path.relative_to(ROOT).as_posix()
    return f"{name}:{number}" if number else name


def report(wrong):
    assert not wrong, "\n" + "\n".join(wrong)
