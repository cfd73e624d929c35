"""What there is to type, out of the code's own tables: commands, options, configuration keys.

Each reader counts rows in a second, cruder way: a row that its pattern does not see is an error, not
a row less to check.
"""

import re

from tree import ROOT

OPTION = r'\{"([\w-]+)", (NULL|"[^"]*"), "'


def _text(path):
    return (ROOT / path).read_text()


def _without_macros(text):
    """Each macro of rows where it is used."""
    bodies = dict(re.findall(r"#define (\w+_OPTIONS)\s+((?:.*\\\n)*.*\n)", text))
    while used := re.search(r"^    (\w+_OPTIONS),\n", text, re.MULTILINE):
        rows = re.findall(r'\{"[^}]*\}|\w+_OPTIONS', bodies[used.group(1)])
        text = text.replace(used.group(), "".join(f"    {row},\n" for row in rows))
    return text


def _table(text, name):
    return re.search(rf"\b{name}\[\] = \{{\n(.*?)\n\}};", text, re.DOTALL).group(1)


def _options(text, name):
    """{option: name of its value, or "" for a flag}"""
    rows = _table(text, name)
    found = {word: "" if value == "NULL" else value.strip('"')
             for word, value in re.findall(OPTION, rows)}
    assert len(found) == len(re.findall(r"^    \{(?!NULL)", rows, re.MULTILINE)), name
    return found


def commands():
    """{"key show": (arguments, {option: value})}"""
    text = _text("agent/cli/commands.c") + _without_macros(_text("agent/cli/options.c"))
    rows = _table(text, "cli_commands")
    row = re.compile(r'\{"([^"]+)", "([^"]*)", \d+, \d+,.*?(\w+),\s*cmd_\w+\},', re.DOTALL)
    found = {}
    for words, arguments, options in row.findall(rows):
        found[words] = arguments, {} if options == "NULL" else _options(text, options)
    assert len(found) == len(re.findall(r"\bcmd_\w+\}", rows)) > 10
    return found


def common_options():
    return _options(_text("agent/cli/parse.c"), "common")


def agent_options():
    """{option: does it take a value} of holdfast-agent."""
    rows = _table(_text("agent/daemon/main.c"), "options")
    found = {name: kind == "required" for name, kind in
             re.findall(r'\{"([\w-]+)", (required|no)_argument,', rows)}
    assert len(found) == len(re.findall(r"_argument", rows)) > 5
    return found


ENTRY = re.compile(r'\b(NEEDED|MAY|FLAG|LIST|CYAML_FIELD_\w+)\(\s*"([\w-]+)",([^;]*?)\)(?=,\n)')


def _fields(text, name, path, found):
    rows = _table(text, f"{name}_fields")
    entries = ENTRY.findall(rows)
    assert len(entries) == len(re.findall(r'\(\s*"', rows)), name
    for macro, key, rest in entries:
        entry = re.search(r"&(\w+)_entry", rest)
        inner = re.search(r"(\w+)_fields", rest)
        below = f"{path}.{key}".lstrip(".")
        kind = ("yes/no" if macro == "FLAG" or "disabled_words" in rest else "list" if macro == "LIST" else
                "mapping" if inner else "text")
        needed = (macro == "NEEDED" or "CYAML_FLAG_DEFAULT" in rest or
                  macro == "CYAML_FIELD_ENUM" and "OPTIONAL" not in rest)
        found[path, key] = kind, needed
        if macro == "LIST" and entry.group(1) != "text":
            _fields(text, entry.group(1), below + "[]", found)
        elif inner:
            _fields(text, inner.group(1), below, found)


def config_keys():
    """{(path, key): (kind, required)}: ("tokens[].pin[]", "file"): ("text", False). The top level,
    which the manual shows as headings, has the path ""."""
    text = _text("agent/daemon/config_schema.c")
    found = {}
    _fields(text, "config", "", found)
    assert len(found) > 40
    return found
