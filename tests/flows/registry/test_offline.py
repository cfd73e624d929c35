"""A registry that cannot be opened: the agent says what to do, that puts a backup in its place, and
the damaged file is still there."""

import subprocess

from registry.test_cli import cli, how_many, refused  # noqa: F401 (a fixture)
from stage.agent import BIN


def certificates(cli):  # noqa: F811
    return how_many(cli, "certificate")


def test_a_damaged_registry_is_put_back(running, cli):  # noqa: F811
    empty, agent, _ = running
    backup, database = empty.folder / "backup.sqlite3", agent.state / "registry.sqlite3"
    cli("certificate", "create", "one", "-f", empty.bao.ca_path)
    cli("registry", "backup", backup)
    cli("certificate", "create", "two", "-f", empty.bao.ca_path)
    assert "while no agent runs" in refused(cli, "registry", "restore", backup, "--offline", "--yes")
    assert certificates(cli) == 2
    agent.stop()
    database.write_bytes(b"x" * 20000)
    start = subprocess.run([BIN / "holdfast-agent"], env=agent.env(), text=True, capture_output=True)
    assert start.returncode == 1 and "holdfast registry restore FILE --offline" in start.stderr
    nothing = empty.folder / "nothing.sqlite3"
    nothing.write_bytes(b"no database")
    assert "nothing was changed" in refused(cli, "registry", "restore", nothing, "--offline", "--yes")
    assert database.read_bytes() == b"x" * 20000
    said = cli("registry", "restore", backup, "--offline", "--yes").stdout
    (kept,) = agent.state.glob("registry.sqlite3.damaged-*Z")
    assert kept.read_bytes() == b"x" * 20000 and str(kept) in said
    agent.start()
    assert certificates(cli) == 1
