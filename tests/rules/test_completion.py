"""Bash completion offers every command and option there is, and no other. (Names come from an agent:
flows/registry.)"""

import os
import subprocess

import grammar
from tree import ROOT

COMPLETE = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; '
            'printf "%s\\n" "${COMPREPLY[@]}"')


def complete(*words):
    """What is offered for the last word."""
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", ROOT / "agent/cli/completion.bash",
                           "holdfast", *words], text=True, capture_output=True, check=True,
                          env={**os.environ, "HOLDFAST_CONTROL": "/nonexistent"})
    assert not done.stderr
    return set(done.stdout.split())


def test_first_words():
    assert complete("") == {c.split()[0] for c in grammar.commands()} | {"help", "version"}


def test_second_words():
    commands = [c.split() for c in grammar.commands()]
    for family in {c[0] for c in commands if len(c) > 1}:
        assert complete(family, "") == {c[1] for c in commands if len(c) > 1 and c[0] == family}


def test_options():
    common = {f"--{name}" for name in grammar.common_options()}
    for words, (_, options) in grammar.commands().items():
        offered = complete(*words.split(), "")
        assert offered == common | {f"--{name}" for name in options}, words


def test_what_is_typed_counts():
    assert complete("key", "ge") == {"generate"}
    assert complete("key", "generate", "--ty") == {"--type"}
    assert complete("key", "show", "web", "--p") == {"--prove"}
    assert complete("nonsense", "") == set()


def test_key_types():
    """The words that the control API takes; the command line passes them on."""
    assert complete("key", "generate", "--type", "") == {"p256", "p384", "p521", "rsa", "ed25519"}


def test_login_methods():
    assert complete("connector", "create", "--login", "") == {
        "token", "approle", "cert", "jwt", "kubernetes", "userpass", "token-key"}


def test_values_offer_no_options():
    values = [(words, name, value) for words, (_, options) in grammar.commands().items()
              for name, value in options.items() if value and name not in ("type", "bits", "login")]
    for words, name, value in values:
        # bash completes files, which works only at a prompt
        if value != "FILE" and name != "module":
            assert complete(*words.split(), f"--{name}", "") == set(), f"{words} --{name}"
