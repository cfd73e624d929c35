"""The two SSH clients: the stock ssh, and libssh2 through holdfast connect."""

import subprocess

from stage.sshd import me


def ssh(agent, sshd, place, command="id -un", check=True):
    """The stock ssh through the agent's socket; what the command printed."""
    done = subprocess.run(
        ["ssh", "-F", "none", "-p", str(sshd.port), "-o", f"IdentityAgent={agent.socket}",
         "-o", f"UserKnownHostsFile={place}/home/.ssh/known_hosts", "-o", "BatchMode=yes",
         f"{me()}@{sshd.address}", command], text=True, capture_output=True, timeout=60)
    if check:
        assert done.returncode == 0, f"{done.stderr}\n{agent.log()}\n{sshd.log()}"
        return done.stdout.strip()
    return done


def connect(agent, sshd, *options, check=True):
    """holdfast connect, which is libssh2."""
    return agent.holdfast("connect", f"{me()}@{sshd.address}:{sshd.port}", *options, check=check)
