"""The contract and the dispatch table name the same paths and methods, and the same limits."""

import pathlib
import re

CONTROL = pathlib.Path(__file__).resolve().parents[3] / "agent/control"


def documented():
    """(method, path) as openapi.yaml has them; its layout is ours, so a line a path is enough."""
    found, path = set(), None
    for line in (CONTROL / "openapi.yaml").read_text().splitlines():
        if line == "components:":
            break
        if match := re.match(r"  (/v1\S*):$", line):
            path = match[1]
        elif match := re.match(r"    (get|post|put|patch|delete):$", line):
            found.add((match[1].upper(), path))
    return found


def served():
    text = (CONTROL / "dispatch.c").read_text()
    return {(m[1], m[2]) for m in re.finditer(r'\{EVHTTP_REQ_(\w+), "(/v1[^"]*)"', text)}


def test_every_route_is_documented_and_the_other_way_round():
    assert len(served()) > 25
    assert served() == documented()


def test_every_operation_has_a_name_of_its_own():
    names = re.findall(r"operationId: (\w+)", (CONTROL / "openapi.yaml").read_text())
    assert len(names) == len(set(names)) == len(documented())


def test_every_code_is_documented():
    """err.h's words, in openapi.yaml's enumeration."""
    text = (CONTROL / "openapi.yaml").read_text()
    listed = re.search(r"    code:\n      enum: \[([^]]*)\]", text)[1].replace("\n", " ").split(",")
    source = (CONTROL.parent / "base/err.c").read_text()
    words = re.findall(r'\[ERR_[A-Z_]+\] = "([a-z-]+)"', source)
    assert {w.strip() for w in listed} == set(words) - {"errno", "pkcs11", "http", "curl", "openssl",
                                                        "libssh2", "sqlite"}
