"""The store's contract, test by test as in tests/unit/store, on a real cluster: three OpenBao nodes with
Raft, and the leader killed while the suite runs."""

import subprocess
import time

from registry.test_kv_cluster import BIN, cluster  # noqa: F401 (a fixture)
from stage.bao import write_private

KILL_AT = "test_what_is_used_cannot_go"  # in the middle of it
LAST = "test_pages_of_large_bodies"


def lines_of(process):
    for line in process.stdout:
        yield line.rstrip("\n")


def test_the_contract_while_the_leader_is_killed(cluster, tmp_path):  # noqa: F811
    token = write_private(tmp_path / "token", cluster.root_token + "\n")
    suite = subprocess.Popen(
        [BIN / "kv_suite", (BIN / "holdfast-vault").absolute(), cluster.ca_path, token,
         *[node.address for node in cluster.nodes]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, killed, killed_at, at = [], None, 0, {}
    try:
        for line in lines_of(suite):
            said.append(line)
            at[line] = time.monotonic()
            if "RUN" in line and KILL_AT in line:
                killed, killed_at = cluster.kill_leader(), time.monotonic()
        code = suite.wait(60)
    finally:
        if suite.poll() is None:
            suite.kill()
            suite.wait()
    text = "\n".join(said)
    print(text)
    assert killed and code == 0, text
    passed = [line.rsplit(" ", 1)[-1] for line in said if "[       OK ]" in line]
    assert KILL_AT in passed and LAST in passed and len(passed) >= 16, text
    assert not any("FAILED" in line for line in said), text
    assert cluster.leader().name != killed
    (ended,) = [at[line] for line in said if "OK" in line and KILL_AT in line]
    assert ended - killed_at > 0.5, "that test did not have to wait for a new leader"
