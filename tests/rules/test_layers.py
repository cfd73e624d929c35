"""Arrows go one way: a folder includes only what the table of CMakeLists.txt lets it use."""

import re

import picture
from tree import TIERS, files, includes, module_of, report, sources, table, where

# Headers of libraries, and the only folders that may see them.
THIRD_PARTY = {
    r"curl/": {"vault", "cli"}, r"sqlite3\.h": {"store"}, r"libssh2": {"connect"},
    r"libp11\.h": {"pkcs11/token"}, r"event2/": {"io", "control", "daemon"},
    r"libsmartcols": {"cli"}, r"cyaml/": {"base", "pkcs11/profile"},
    r"yaml\.h": {"base", "pkcs11/profile", "cli"},
    r"p11-kit/": {"pkcs11/module", "pkcs11/profile", "pkcs11/token", "pkcs11/remote"},
    r"seccomp|linux/landlock": {"ipc"},
    r"jansson": {"vault", "control", "cli", "registry", "daemon", "store", "policy", "audit", "ca"},
}
# base.h leaves yaml.h out, so that only the readers of YAML see libcyaml; patience.h is for those few
# who ask servers.
SECOND_HEADERS = {"base/yaml.h", "base/patience.h"}


def folder_of(header):
    return header.rsplit("/", 1)[0]


def test_every_folder_is_in_the_table():
    report([where(path) for path in sources() if module_of(path) not in table()])


def test_table_goes_down():
    report([f"{name} (tier {TIERS[name]}) uses {used} (tier {TIERS[used]})"
            for name, uses in table().items() for used in uses if TIERS[used] >= TIERS[name]])


def test_includes_follow_the_table():
    wrong = []
    for path in sources():
        name = module_of(path)
        for number, header, ours in includes(path):
            if ours and folder_of(header) != name and folder_of(header) not in table()[name]:
                wrong.append(f"{where(path, number)}: {name} may not use {header}")
    report(wrong)


def test_other_folders_by_their_public_header():
    wrong = []
    for path in sources():
        for number, header, ours in includes(path):
            folder = folder_of(header)
            public = f"{folder}/{folder.rsplit('/', 1)[-1]}.h"
            if ours and folder != module_of(path) and header not in {public, *SECOND_HEADERS}:
                wrong.append(f"{where(path, number)}: {header} is not {public}")
    report(wrong)


def test_third_party_headers_in_their_place():
    wrong = []
    for path in sources():
        for number, header, ours in includes(path):
            for pattern, places in THIRD_PARTY.items():
                if not ours and re.match(pattern, header) and module_of(path) not in places:
                    wrong.append(f"{where(path, number)}: <{header}> belongs to {sorted(places)}")
    report(wrong)


def test_header_guards():
    wrong = []
    for path in files("agent/*.h", "pkcs11/*.h"):
        guard = "HF_" + re.sub(r"[/.-]", "_", where(path).removeprefix("agent/")).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in path.read_text():
            wrong.append(f"{where(path)}: guard is not {guard}")
    report(wrong)


def test_readme_shows_the_table():
    assert picture.current() == picture.section(), "python3 tests/rules/picture.py --write mends it"
