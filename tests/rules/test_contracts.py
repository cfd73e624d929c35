"""Each prototype in a header has its contract there; each .c opens with what it is for."""

import re

from tree import files, report, where


def prototypes(text):
    """(line number, name, the lines before it) of each function declared in a header."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        match = re.match(r"(?!static|typedef|extern|#|\s|\*|/|\}|struct \w+ \{)[\w\s*]*?\b(\w+)\(", line)
        if match and match.group(1) not in ("__attribute__", "AUTO", "TAILQ_HEAD", "LIST_HEAD"):
            yield i + 1, match.group(1), lines[:i]


def has_contract(before):
    """A comment ends just above, or only the rest of the same comment's group stands between."""
    for line in reversed(before):
        text = line.strip()
        if text.endswith("*/"):
            return True
        if text == "":
            return False
    return False


def test_contracts():
    wrong = []
    for path in files("agent/*.h", "pkcs11/*.h"):
        for number, name, before in prototypes(path.read_text()):
            if not has_contract(before):
                wrong.append(f"{where(path, number)}: {name}() has no contract above it")
    report(wrong)


def test_essays():
    report([f"{where(path)}: opens with no essay" for path in files("agent/*.c", "pkcs11/*.c")
            if not re.match(r"/\*\n \* \S.{20,}", path.read_text())])
