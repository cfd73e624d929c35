"""What must not stand in the tree: left-over notes, unsafe calls, names of hosts and machines."""

import re

from tree import c_files, files, report, sources, where

LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
UNSAFE = re.compile(r"\b(strcpy|sprintf|vsprintf|gets|system|popen|tmpnam|mktemp|rand|atol)\s*\(")
CODE_IN_COMMENT = re.compile(r"^\s*//|^\s*/\*\s*\w+\(.*\);\s*\*/")
# Package registries' hosts and this kind of machine's paths, written so that this file passes.
HOSTS = re.compile("|".join(["deb" + r"\.debian\.org", "py" + r"pi\.org", "pythonhosted" + r"\.org",
                             "snap" + r"shot\.debian", "/wo" + "rk/", "/root/" + r"\.pyenv"]))


def matches(paths, pattern):
    return [f"{where(path, number)}: {line.strip()}" for path in paths
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
            if pattern.search(line)]


def test_no_left_over_notes():
    report(matches([p for p in files("*") if p.name != "test_text.py" and p.suffix != ".md"], LEFT_OVER))


def test_no_unsafe_calls():
    report(matches(sources(), UNSAFE))


def test_no_code_in_comments():
    report(matches(c_files(), CODE_IN_COMMENT))


def test_no_hosts_or_machine_paths():
    report(matches(files("*"), HOSTS))


def test_lines_end_clean():
    texts = [p for p in files("*") if p.suffix in (".c", ".h", ".py", ".md", ".yaml", ".txt", ".scd")]
    report(matches(texts, re.compile(r"[ \t\r]+$")))
