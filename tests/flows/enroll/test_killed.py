"""Each process of an enrolling is killed at each of its steps: run again, it goes on.

The one-time token is not spent before all else has passed: where it was not unwrapped it serves again,
and where it was, and is lost with the process that had it, the words say so and another one does.
"""

import json
import os
import re
import signal
import subprocess

import pytest

from stage.agent import BIN
from stage.bao import BaoError


def is_wrapped(bao, file):
    """Nobody has unwrapped the one-time token yet."""
    try:
        bao.api("POST", "sys/wrapping/lookup", {"token": file.read_text().strip()})
        return True
    except BaoError:
        return False


def enroll_until(agent, file, at, act):
    """Calls @act as soon as the step @at is over."""
    with subprocess.Popen([BIN / "holdfast", "enroll", "vault", "--common-name", "host-1",
                           "--token-file", file, "--json"], env=agent.env(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        for line in run.stdout:
            if json.loads(line).get("step") == at:
                act()
                at = None
        run.stderr.read()
    assert at is None, agent.log()


def enroll(agent, file):
    """The last line, of success or of a failure."""
    done = agent.holdfast("enroll", "vault", "--common-name", "host-1", "--token-file", file, "--json",
                          check=False)
    return json.loads(done.stdout.splitlines()[-1])


def kill_helper(agent, name):
    """It may not have been started yet."""
    for pid in agent.helpers(name):
        os.kill(pid, signal.SIGKILL)


def restart(agent):
    agent.kill()
    agent.start()
    agent.wait_token("ready")


CASES = [("agent", at) for at in ("token", "key", "request", "tls", "access", "issue", "prove",
                                  "store", "login")]
CASES += [("holdfast-vault", at) for at in ("request", "tls", "access", "issue", "store", "login")]
CASES += [("holdfast-token", at) for at in ("look", "request", "issue")]


@pytest.mark.parametrize("who, at", CASES)
def test_killed(machine, bao, who, at):
    file, _ = machine.one_time()
    with machine.agent() as agent:
        agent.wait_token("ready")
        enroll_until(agent, file, at, lambda: restart(agent) if who == "agent"
                     else kill_helper(agent, who))
        agent.wait_token("ready")
        wrapped = is_wrapped(bao, file)
        if who == "agent" and at in ("token", "key", "request"):
            assert wrapped
        end = enroll(agent, file)
        if end["failed"] and not wrapped:  # it was lost with the process that had it
            assert end["failed"] == "access", end
            assert "somebody else has" in end["error"]["text"], end
            file, _ = machine.one_time()
            end = enroll(agent, file)
        assert not end["failed"], f"{end}\n{agent.log()}"
        keys = machine.token.tool("--list-objects", "--type", "pubkey").stdout
        assert len(re.findall(r"label: +holdfast-login", keys)) == 1  # it was not made anew
