"""The manual says what there is to type: nothing is missing in it, nothing is in it that is not
there. (That its example of a configuration is accepted is a flow test: flows/install.)"""

import re

import grammar
from tree import ROOT


def page(name):
    return (ROOT / "agent/man" / f"{name}.scd").read_text()


def section(text, title):
    return re.search(rf"^# {title}\n(.*?)(?=^# |\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def options(text, indent=""):
    """{option: name of its value, or ""} of entries like "*--name* _VALUE_"."""
    return dict(re.findall(rf"^{indent}\*--([\w-]+)\*(?: _([^_]+)_)?$", text, re.MULTILINE))


def documented_commands():
    parts = []
    for name in ("holdfast.1", "holdfast-registry.1"):
        parts += re.split(r"^\*([a-z][a-z -]*)\*(?: (.*))?\n", section(page(name), "COMMANDS"),
                          flags=re.MULTILINE)[1:]
    found = {}
    for words, arguments, body in zip(parts[::3], parts[1::3], parts[2::3]):
        assert words not in found, f"{words} is there twice"
        found[words] = arguments or "", {**borrowed(body, found), **options(body, "\t")}
    return found


def borrowed(body, before):
    """Options of an entry that says "Options: those of *x y*, with *--a*, without *--b* and *--c*."
    """
    said = re.search(r"^\tOptions: those of \*([a-z -]+)\*(.*)\.$", body, re.MULTILINE)
    if not said:
        return {}
    more, _, less = said.group(2).partition("without")
    names = {name: "" if name not in VALUES else VALUES[name]
             for name in re.findall(r"\*--([\w-]+)\*", more)}
    without = set(re.findall(r"\*--([\w-]+)\*", less))
    inherited = before[said.group(1)][1]
    assert without <= set(inherited), f"{without} is not all there"
    return {name: value for name, value in {**inherited, **names}.items() if name not in without}


VALUES = {"name": "NAME"}  # of options that "with" adds


def test_commands():
    assert documented_commands() == grammar.commands()


def test_common_options():
    assert options(section(page("holdfast.1"), "COMMON OPTIONS")) == grammar.common_options()


def test_agent_options():
    documented = options(section(page("holdfast-agent.8"), "OPTIONS"))
    assert {name: bool(value) for name, value in documented.items()} == grammar.agent_options()


def documented_keys():
    parts = re.split(r"^## (\S+)\n", section(page("holdfast.yaml.5"), "KEYS"), flags=re.MULTILINE)
    found = {}
    for path, body in zip(parts[1::2], parts[2::2]):
        for key, kind, needed in re.findall(r"^\*([\w-]+)\* \(([\w/]+)(, required)?\)$", body,
                                            re.MULTILINE):
            assert (path, key) not in found, f"{path}.{key} is there twice"
            found[path, key] = kind, bool(needed)
    return found


# Lists that config_check.c demands, not the schema.
DEMANDED = {("signers[].ca", "roles"), ("signers[].ca.roles[]", "principals"),
            ("identities[].certificates[]", "principals")}


def test_configuration_keys():
    keys = grammar.config_keys()
    expected = {at: (kind, needed or at in DEMANDED) for at, (kind, needed) in keys.items() if at[0]}
    assert documented_keys() == expected


def test_configuration_top_level():
    headings = re.findall(r"^## ([\w\[\]]+)$", page("holdfast.yaml.5"), re.MULTILINE)
    expected = [key + ("[]" if kind == "list" else "")
                for (path, key), (kind, _) in grammar.config_keys().items() if not path]
    assert headings == expected


def test_exit_codes():
    """The three that all commands share; agent/cli/cli.h has their numbers."""
    codes = re.search(r"enum \{ CLI_OK = (\d), CLI_FAILED = (\d), CLI_USAGE = (\d) \}",
                      (ROOT / "agent/cli/cli.h").read_text()).groups()
    documented = re.findall(r"^\*(\d)\*$", section(page("holdfast.1"), "EXIT CODES"), re.MULTILINE)
    assert tuple(documented) == codes


def test_limits():
    """Numbers that the manual quotes from the schema: each list's "at most"."""
    text = page("holdfast.yaml.5")
    header = (ROOT / "agent/daemon/config.h").read_text()
    for heading, name in [("sockets[]", "SOCKETS"), ("grants[]", "GRANTS"), ("modules[]", "MODULES"), ("tokens[]", "TOKENS"),
                          ("signers[]", "SIGNERS"), ("identities[]", "IDENTITIES")]:
        limit = re.search(rf"CONFIG_{name}_MAX = (\d+)", header).group(1)
        intro = text.split(f"\n## {heading}\n")[1].split("\n*")[0]
        assert re.search(rf"at most {limit}\b", intro), f"{heading}: at most {limit}"
