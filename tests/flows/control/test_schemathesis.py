"""openapi.yaml against a real agent: schemathesis makes requests out of it, good and bad ones, and
every answer has to be one that the document allows."""

import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

import pytest

from control.proxy import Proxy
from stage.agent import ROOT, Agent
from stage.token import SoftToken

TOOL = ROOT / "build/deps/venv/bin/schemathesis"
SCHEMA = ROOT / "agent/control/openapi.yaml"

# What a handler cannot but say no to, whatever the document says of a single value: a name that is
# taken, a spec that makes no sense, a token that is not there.
CONFIG = """
[phases.coverage]
# a method that is not HTTP/1.1's is answered 501 by libevent, as RFC 9110, 15.6.2 has it
unexpected-methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

[checks]
positive_data_acceptance.enabled = false
missing_required_header.expected-statuses = [428, 400]
negative_data_rejection.expected-statuses = ["4xx"]
"""
# These would write files or reach hosts of random names with good data, so they get bad data only.
REACHING_OUT = ["connect", "run", "backupRegistry", "restoreRegistry", "testSshKey"]


# One of each kind, all of them called main.
RESOURCES = [
    {"kind": "connector", "scope": "account", "name": "Main", "tags": ["eu"],
     "spec": {"type": "vault", "addresses": ["https://127.0.0.1:1"],
              "login": {"method": "token", "token_file": "/nowhere"}}},
    {"kind": "secrets-manager", "scope": "account", "name": "Main",
     "spec": {"type": "vault-ssh", "connector": "main", "mount": "ssh"}},
    {"kind": "ssh-key", "scope": "account", "name": "Main", "description": "of a test",
     "spec": {"user_name": "web", "key": "pkcs11:token=demo;object=none",
              "credentials": {"type": "vault-ssh", "secrets_manager": "main", "role": "web"}}},
    {"kind": "infrastructure", "scope": "account", "name": "Main",
     "spec": {"ssh_key": "main", "hosts": [{"name": "web1", "address": "127.0.0.1"}]}},
]


def apply(agent, resources):
    """Puts them into the registry; what changed."""
    with Proxy(agent.control) as proxy:
        body = json.dumps({"document": {"resources": resources}}).encode()
        with urllib.request.urlopen(f"{proxy.url}/v1/registry/apply", body, timeout=30) as answer:
            return json.load(answer)["changes"]


def run(agent, folder, *options, config_text=CONFIG, schema=SCHEMA,
        phases="examples,coverage,fuzzing"):
    config = folder / "schemathesis.toml"
    config.write_text(config_text)
    with Proxy(agent.control) as proxy:
        done = subprocess.run(
            [TOOL, "--config-file", config, "run", schema, "--url", proxy.url, "--no-color",
             "--phases", phases, "--seed", "1", "--generation-database", "none",
             "--request-timeout", "30", "--suppress-health-check", "all", *options],
            text=True, capture_output=True, timeout=300, cwd=folder,
            env={**os.environ, "HOME": str(folder)})
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-4000:] + agent.log()[-4000:]
    return done.stdout


@pytest.fixture
def agent():
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        folder = pathlib.Path(folder)
        with Agent(folder / "a", SoftToken(folder / "token")) as agent:
            agent.wait_token("ready")
            yield agent


def test_every_answer_is_one_that_the_document_allows(agent, tmp_path):
    excluded = [o for name in REACHING_OUT for o in ("--exclude-operation-id", name)]
    print(run(agent, tmp_path, "--max-examples", "25", *excluded))


def test_bad_data_for_what_reaches_out(agent, tmp_path):
    included = [o for name in REACHING_OUT for o in ("--include-operation-id", name)]
    print(run(agent, tmp_path, "--mode", "negative", "--max-examples", "25", *included))


def test_what_there_is_looks_as_documented(agent, tmp_path):
    """Reading resources that exist; lists, pages and the export show them too."""
    assert len(apply(agent, RESOURCES)) == len(RESOURCES)
    assert apply(agent, RESOURCES) == []
    names = ["listResources", "getResource", "exportRegistry", "getStatus", "listConnectorMounts"]
    included = [o for name in names for o in ("--include-operation-id", name)]
    known = '[parameters]\n"path.id" = "main"\n"path.scope" = "account"\n' + CONFIG
    # a connector whose Vault is away is 503: the one 5xx that is right here
    print(run(agent, tmp_path, "--mode", "positive", "--max-examples", "20", *included,
              "--exclude-checks", "not_a_server_error", config_text=known))
