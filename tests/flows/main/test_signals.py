"""What ends the agent, and that it ends cleanly: no socket and no helper is left."""

import os
import signal
import subprocess

from stage.agent import BIN, wait_for


def start(agent, stdin):
    return subprocess.Popen([BIN / "holdfast-agent"], stdin=stdin, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, env=agent.env(),
                            start_new_session=True)


def helpers_of(pid):
    return subprocess.run(["pgrep", "-P", str(pid)], text=True,
                          capture_output=True).stdout.split()


def test_a_terminal_that_closes_ends_it(bench):
    agent = bench.agent(identities=[], signers=[])
    master, slave = os.openpty()
    with start(agent, slave) as process:
        os.close(slave)
        wait_for("the agent and its helpers", lambda: agent.control.exists() and helpers_of(process.pid))
        helpers = helpers_of(process.pid)
        process.send_signal(signal.SIGHUP)
        os.close(master)
        assert process.wait(20) == 0, process.stderr.read()
        assert "stopping on signal 1" in process.stderr.read()
    assert not agent.socket.exists() and not agent.control.exists()
    wait_for("the helpers' end", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in helpers))


def test_without_a_terminal_it_is_noted(bench):
    agent = bench.agent(identities=[], signers=[])
    with agent:
        os.kill(agent.pid, signal.SIGHUP)
        wait_for(agent.log, lambda: "signal 1 has no meaning here" in agent.log())
        assert agent.status()["tokens"] is not None  # and goes on
