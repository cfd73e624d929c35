"""An installed tree works as it stands, wherever it stands, without the build folder's help."""

import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from stage.agent import BUILD, ROOT
from stage.token import SoftToken

HELPERS = ["holdfast-agent", "holdfast-token", "holdfast-vault", "holdfast-connect"]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True,
                   stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    return SoftToken(tmp_path_factory.mktemp("token"), "installed")


def run(prefix, *args, token=None, check=True, **env):
    """The installed holdfast in an environment that knows nothing of this machine's agents."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "XDG_", "SSH_"))}
    done = subprocess.run([prefix / "bin/holdfast", *map(str, args)], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120,
                          env={**kept, **(token.env() if token else {}), **env})
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def yaml_blocks(path):
    """The examples of a configuration in a page: fenced blocks that begin like one."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [b for b in blocks if b.startswith(("agent:", "modules:"))]


def test_everything_is_there(prefix):
    files = {str(p.relative_to(prefix)) for p in prefix.rglob("*") if p.is_file()}
    profiles = {f"share/holdfast/firmware-profiles/{p.name}"
                for p in (ROOT / "firmware-profiles").glob("*.yaml")}
    assert files == profiles | {f"libexec/holdfast/{name}" for name in HELPERS} | {
        "bin/holdfast",
        "share/man/man1/holdfast.1",
        "share/man/man1/holdfast-registry.1",
        "share/man/man5/holdfast.yaml.5",
        "share/man/man8/holdfast-agent.8",
        "share/doc/holdfast/README.md",
        "share/doc/holdfast/PROTOCOL.md",
        "share/doc/holdfast/openapi.yaml",
        "share/doc/holdfast/firmware-profiles.md",
        "share/doc/holdfast/copyright",
        "share/bash-completion/completions/holdfast",
        "lib/systemd/system/holdfast.service",
        "lib/systemd/user/holdfast.service",
    }


@pytest.mark.parametrize("manager", ["system", "user"])
def test_units_name_the_installed_agent(prefix, manager):
    text = (prefix / f"lib/systemd/{manager}/holdfast.service").read_text()
    program = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1))[0]
    assert pathlib.Path(program) == prefix / "libexec/holdfast/holdfast-agent"
    assert os.access(program, os.X_OK)
    assert "@" not in text.replace("holdfast@", "")


def test_a_staged_tree_names_its_final_place(tmp_path):
    """As packagers install: into a folder that is not where the programs will run."""
    subprocess.run(["cmake", "--install", BUILD, "--prefix", "/opt/holdfast"], check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "DESTDIR": str(tmp_path)})
    staged = tmp_path / "opt/holdfast"
    units = list(staged.glob("lib/systemd/*/holdfast.service"))
    assert len(units) == 2 and (staged / "bin/holdfast").exists()
    for unit in units:
        assert "ExecStart=/opt/holdfast/libexec/holdfast/holdfast-agent\n" in unit.read_text()


def test_manual_is_formatted(prefix):
    for page in prefix.glob("share/man/man*/*"):
        assert ".TH " in page.read_text(), page


@pytest.mark.parametrize("page", ["agent/man/holdfast.yaml.5.scd", "README.md"])
def test_config_check_accepts_the_documented_examples(prefix, tmp_path, page):
    blocks = yaml_blocks(ROOT / page)
    assert blocks
    for block in blocks:
        config = tmp_path / "holdfast.yaml"
        config.write_text(block)
        assert "is in order" in run(prefix, "config", "check", "--config", config).stdout
        config.write_text(block.replace("modules:", "modles:"))
        refused = run(prefix, "config", "check", "--config", config, check=False)
        assert refused.returncode == 1 and "modles" in refused.stderr


def test_documented_default_places(prefix, tmp_path):
    """--paths, as root or not, prints what the manual says."""
    config = tmp_path / "holdfast.yaml"
    config.write_text("modules: []\n")
    manual = (ROOT / "agent/man/holdfast.yaml.5.scd").read_text()
    home = {"HOME": "/home/somebody"}
    xdg = {f"XDG_{name}": f"/xdg/{name}" for name in ("RUNTIME_DIR", "STATE_HOME", "CONFIG_HOME")}
    for env in (home, {**home, **xdg}):
        done = subprocess.run([prefix / "libexec/holdfast/holdfast-agent", "--paths"], text=True,
                              capture_output=True, check=True,
                              env={"HOLDFAST_CONFIG": str(config), **env})
        paths = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert paths["config"] == str(config)
        assert os.path.dirname(paths["control"]) == os.path.dirname(paths["socket"])
        for name in ("socket", "state"):
            shown = re.sub("^/xdg/", "$XDG_", paths[name].replace("/home/somebody", "~"))
            assert shown in manual, f"{name}: {shown}"


def test_init_finds_the_token(prefix, token, tmp_path):
    done = run(prefix, "init", "--yes", "--module", token.module, "--output", "-", token=token)
    assert "token=installed" in done.stdout
    config = tmp_path / "holdfast.yaml"
    config.write_text(done.stdout)
    checked = run(prefix, "config", "check", "--config", config)
    assert "1 modules, 1 tokens" in checked.stdout


def test_init_looks_for_modules_itself(prefix, token):
    done = run(prefix, "init", "--yes", "--output", "-", token=token)
    assert os.path.realpath(token.module) in done.stdout and "token=installed" in done.stdout


def test_a_key_is_made_with_the_installed_helpers_and_profiles(prefix, token, tmp_path):
    config = tmp_path / "holdfast.yaml"
    config.write_text(json.dumps({
        "agent": {name: str(tmp_path / name) for name in ("socket", "control", "state")},
        "modules": [{"name": "softhsm", "path": token.module}],
        "tokens": [{"name": "mine", "uri": token.uri, "pin": [{"file": str(token.pin_file)}]}],
    }))

    def holdfast(*args):
        return run(prefix, *args, "--config", config, token=token, XDG_RUNTIME_DIR=str(tmp_path))

    made = json.loads(holdfast("key", "generate", "--label", "web", "--json").stdout)
    assert made["label"] == "web" and made["attributes"]["local"]
    here = prefix / "share/holdfast/firmware-profiles/40-here.yaml"  # only this tree has it
    here.write_text("token:\n  sign-timeout: 11s\n")
    try:
        profile = json.loads(holdfast("token", "show", "mine", "--json").stdout)["profile"]
    finally:
        here.unlink()
    assert profile["files"] == ["10-default.yaml", "30-softhsm2.yaml", "40-here.yaml"]
