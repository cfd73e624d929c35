"""The fleet's store against a real cluster: three OpenBao nodes with Raft, four agents, and the leader
killed while they work. No update is lost, no reference leads to nothing, and every copy agrees."""

import json
import os
import pathlib
import subprocess
import threading
import time

import pytest

from stage.bao import BaoCluster, bao_program, write_private

BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin"
AGENTS, EDITS = 4, 250
SEEN_WITHIN_S = 10


@pytest.fixture
def cluster():
    if not bao_program():
        pytest.skip("no bao program: run ./dev once")
    with BaoCluster() as cluster:
        cluster.leader().api("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        wait_for_mount(cluster)
        yield cluster


def wait_for_mount(cluster):
    """A new KV v2 engine refuses everything while it sets itself up."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            cluster.leader().api("POST", "kv/data/ready", {"data": {"text": "x"}})
            return
        except Exception:
            time.sleep(0.1)
    raise RuntimeError("the KV engine does not start")


class Agent:
    """One kv_probe and what it said, read as it comes."""

    def __init__(self, number, cluster, folder):
        token = write_private(folder / f"token-{number}", cluster.root_token + "\n")
        self.lines, self.done = [], threading.Event()
        self.process = subprocess.Popen(
            [BIN / "kv_probe", (BIN / "holdfast-vault").absolute(), cluster.ca_path, token,
             folder / f"copy-{number}.db", str(number), str(EDITS),
             *[node.address for node in cluster.nodes]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(folder / f"log-{number}", "w"),
            text=True)
        self.log = folder / f"log-{number}"
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line == "done\n":
                self.done.set()
            else:
                self.lines.append(json.loads(line))
        self.done.set()

    def edits(self):
        return [line for line in self.lines if "fate" in line]

    def made(self):
        return sum(edit["fate"] == "made" for edit in self.edits())

    def copy(self):
        """What it shows; ends it."""
        self.process.stdin.write("\n")
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.log.read_text()
        self._reader.join(10)
        return self.lines[-1]


def read_all(bao, folder=""):
    """Every resource in Vault: path to item, as the agents wrote it."""
    items = {}
    for name in bao.api("GET", f"kv/metadata/holdfast/{folder}?list=true")["data"]["keys"]:
        path = folder + name
        if name.endswith("/") and not path.startswith("_"):
            items.update(read_all(bao, path))
        elif not path.startswith("_"):
            text = bao.api("GET", f"kv/data/holdfast/{path}")["data"]["data"].get("text")
            if text is not None:
                items[path] = json.loads(text)
    return items


def path_of(key):
    kind, scope, identifier = key
    return f"{scope}/{kind}/{identifier}"


def assert_sound(items):
    for path, item in items.items():
        assert "intent" not in item, f"{path} is still under way: {item}"
        own = [item["kind"], item["scope"], item["id"]]
        for ref in item.get("entry", {}).get("refs", []):
            assert "entry" in items.get(path_of(ref), {}), f"{path} refers to {ref}, which is gone"
            assert own in items[path_of(ref)]["users"], f"{ref} does not know {path}"
        for user in item["users"]:
            refs = items.get(path_of(user), {}).get("entry", {}).get("refs", [])
            assert own in refs, f"{path} is said to be used by {user}"


def assert_no_update_lost(items, edits):
    for edit in edits:
        if edit["token"]:
            body = items[f"org/a/connector/{edit['conn']}"]["entry"]["body"]
            there = body.count(f" {edit['token']};")
            allowed = {"made": {1}, "refused": {0}, "unknown": {0, 1}}[edit["fate"]]
            assert there in allowed, f"{edit} is {there} times there"


def wait_settled(cluster, seconds):
    """Until nothing is under way; what an agent left behind may take its minute."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        items = read_all(cluster.leader())
        if not any("intent" in item for item in items.values()):
            return items
        time.sleep(0.5)
    return items


def test_four_agents_while_the_leader_is_killed(cluster, tmp_path):
    agents = [Agent(number, cluster, tmp_path) for number in range(AGENTS)]
    try:
        until = time.monotonic() + 240
        while sum(a.made() for a in agents) < AGENTS * EDITS // 3:
            assert time.monotonic() < until and all(a.process.poll() is None for a in agents), \
                [a.log.read_text() for a in agents]
            time.sleep(0.05)
        before = sum(a.made() for a in agents)
        killed = cluster.kill_leader()
        for agent in agents:
            assert agent.done.wait(300) and agent.process.poll() is None, agent.log.read_text()
        items = wait_settled(cluster, 120)
        time.sleep(SEEN_WITHIN_S)
        copies = [agent.copy() for agent in agents]
    finally:
        for agent in agents:
            if agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()
    edits = [edit for agent in agents for edit in agent.edits()]
    fates = {fate: sum(e["fate"] == fate for e in edits) for fate in ("made", "refused", "unknown")}
    print(f"killed {killed} after {before} edits: {fates}")
    assert fates["made"] == AGENTS * EDITS
    assert cluster.leader().name != killed
    assert_sound(items)
    assert_no_update_lost(items, edits)
    expected = {path: item["entry"]["body"] for path, item in items.items() if "entry" in item}
    for copy in copies:
        assert copy == expected
