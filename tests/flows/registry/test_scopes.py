"""Scopes keep what they promise: a project's socket shows and signs with its own keys and those above,
never sideways; and a grant at a project is worth nothing elsewhere."""

import base64
import concurrent.futures
import hashlib
import json
import os
import socket
import struct
import subprocess
import time
import urllib.parse

import pytest

from stage.agent import wait_for
from stage.api import Api
from stage.sshd import me

ORG, WEB, DB = "org/acme", "org/acme/project/web", "org/acme/project/db"
HOME = {"top": "account", "ops": ORG, "web": WEB, "db": DB}  # each key on the token, and its scope
SHOWN = {"top": "top", "ops": "acme.ops", "web": "acme.web.web", "db": "acme.db.db"}
AT_ONCE_S = 1.0
SLOW = 4  # sanitizers, two busy cores
FAILURE, SIGN_REQUEST, SIGN_RESPONSE = 5, 13, 14
VIEWER, ORG_VIEWER, NOBODY, GROUP = 65534, 65532, 65531, 65530

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def path_of(scope, kind="ssh-keys", name=""):
    return f"/scopes/{urllib.parse.quote(scope, safe='')}/{kind}" + (f"/{name}" if name else "")


def body(empty, label, **fields):
    return {"name": label, **fields, "spec": {
        "user_name": me(), "key": f"{empty.token.uri};object={label}", "token": empty.token.label,
        "credentials": {"type": "key"}}}


def keys_on(path):
    """What a socket lists: name -> blob."""
    done = subprocess.run(["ssh-add", "-L"], text=True, capture_output=True,
                          env={**os.environ, "SSH_AUTH_SOCK": str(path)})
    lines = [line.split(" ", 2) for line in done.stdout.splitlines()]
    return {line[2]: base64.b64decode(line[1]) for line in lines
            if line[0].startswith(("ssh-", "ecdsa-"))}


def names_on(path):
    return set(keys_on(path))


def text(data):
    return struct.pack(">I", len(data)) + data


def sign(path, blob):
    """Asks a socket, which has listed nothing to us, for an SSHSIG; the type of its answer.
    Spec: RFC 9987, 3.6; OpenSSH PROTOCOL.sshsig"""
    data = b"SSHSIG" + text(b"file") + text(b"") + text(b"sha512") + text(
        hashlib.sha512(b"a message").digest())
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(str(path))
        s.sendall(text(bytes([SIGN_REQUEST]) + text(blob) + text(data) + struct.pack(">I", 0)))
        return s.recv(65536)[4]


@pytest.fixture
def sockets(empty):
    """(agent, API, name -> path): one socket for each project, and one for its tag "prod"."""
    agent = empty.agent([], [])
    for label in HOME:
        empty.with_key(agent, label)
    paths = {name: agent.folder / f"{name}.sock" for name in ("web", "db", "prod")}
    agent.settings["sockets"] = [{"path": str(paths["web"]), "scope": WEB},
                                 {"path": str(paths["db"]), "scope": DB},
                                 {"path": str(paths["prod"]), "scope": WEB, "tags": ["prod"]}]
    agent.write_config()
    with agent:
        agent.wait_token("ready")
        api = Api(agent.control)
        for label, scope in HOME.items():
            made = api.post(path_of(scope), body(empty, label))
            assert made.status == 201, made
        wait_for(agent.log, lambda: len(names_on(paths["web"])) == len(names_on(paths["db"])) == 3)
        yield agent, api, paths


def at_once(agent, change, condition):
    """The change is there within a second."""
    begun = time.monotonic()
    done = change()
    assert done.status < 300, done
    wait_for(agent.log, condition, timeout_s=20, step_s=0.02)
    assert time.monotonic() - begun < SLOW * AT_ONCE_S


def test_a_socket_shows_its_project_and_what_is_above(sockets):
    _, _, paths = sockets
    assert names_on(paths["web"]) == {"top", "acme.ops", "acme.web.web"}
    assert names_on(paths["db"]) == {"top", "acme.ops", "acme.db.db"}
    assert names_on(paths["prod"]) == set()


def test_a_key_of_another_project_does_not_sign(sockets):
    agent, _, paths = sockets
    web, db = keys_on(paths["web"]), keys_on(paths["db"])
    for name in ("top", "acme.ops"):
        assert web[name] == db[name]
        assert [sign(paths[p], web[name]) for p in ("web", "db", "prod")] == [
            SIGN_RESPONSE, SIGN_RESPONSE, FAILURE]
    for name, mine, other in (("acme.web.web", "web", "db"), ("acme.db.db", "db", "web")):
        blob = keys_on(paths[mine])[name]
        assert sign(paths[mine], blob) == SIGN_RESPONSE, agent.log()
        assert sign(paths[other], blob) == FAILURE, agent.log()


def test_tags_decide_at_once(sockets, empty):
    agent, api, paths = sockets
    blob = keys_on(paths["web"])["acme.web.web"]
    for label in ("web", "db", "top"):  # that of the other project stays there in spite of its tag
        change = body(empty, label, tags=["prod", "blue"])
        shown = {SHOWN[k] for k in {"web": ("web",), "db": ("web",), "top": ("web", "top")}[label]}
        at_once(agent, lambda: api.put(path_of(HOME[label], name=label), change),
                lambda: names_on(paths["prod"]) == shown)
    assert sign(paths["prod"], blob) == SIGN_RESPONSE
    at_once(agent, lambda: api.put(path_of(WEB, name="web"), body(empty, "web", tags=["blue"])),
            lambda: names_on(paths["prod"]) == {"top"})
    assert sign(paths["prod"], blob) == FAILURE
    assert sign(paths["web"], blob) == SIGN_RESPONSE


def test_an_end_is_seen_on_every_socket_at_once(sockets):
    agent, api, paths = sockets
    blob = keys_on(paths["web"])["acme.ops"]
    at_once(agent, lambda: api.delete(path_of(ORG, name="ops")),
            lambda: names_on(paths["web"]) == {"top", "acme.web.web"} and
            names_on(paths["db"]) == {"top", "acme.db.db"})
    assert [sign(paths[p], blob) for p in ("web", "db")] == [FAILURE, FAILURE]


# --- grants --------------------------------------------------------------------------------------


def as_user(uid, gid, work):
    """What @work returns in a child process of that user, which has no other group."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            said = work()
        except BaseException as e:  # pytest must not go on twice
            said = {"failed": repr(e)}
        os.write(into, json.dumps(said).encode())
        os._exit(0)
    os.close(into)
    with open(out, "rb") as pipe:
        said = json.loads(pipe.read())
    os.waitpid(child, 0)
    return said


@pytest.fixture
def granted(empty):
    agent = empty.agent([], [])
    agent.settings["grants"] = [
        {"uid": str(VIEWER), "scope": WEB, "right": "viewer"},
        {"uid": str(ORG_VIEWER), "scope": ORG, "right": "viewer"},
        {"gid": str(GROUP), "scope": WEB, "right": "administrator"}]
    agent.write_config()
    for folder in (empty.place, empty.folder, agent.folder):
        folder.chmod(0o711)
    with agent:
        api = Api(agent.control)
        for label, scope in HOME.items():
            made = api.post(path_of(scope), body(empty, label))
            assert made.status == 201, made
        yield agent, api, empty


def statuses(agent, uid, calls, gid=None):
    def work():
        api = Api(agent.control, timeout=30)
        return [api.call(method, path, data, {"If-Match": "*"}).status
                for method, path, data in calls]
    return as_user(uid, uid if gid is None else gid, work)


@needs_root
def test_a_viewer_sees_the_project_and_nothing_else(granted):
    agent, _, _ = granted
    reads = [("GET", path_of(scope), None) for scope in (WEB, DB, ORG, "account")]
    assert statuses(agent, VIEWER, reads) == [200, 403, 403, 403]
    assert statuses(agent, ORG_VIEWER, reads) == [200, 200, 200, 403]
    one = [("GET", path_of(WEB, name="web"), None), ("GET", path_of(DB, name="db"), None),
           ("GET", f"/registry/export?scope={urllib.parse.quote(WEB)}", None),
           ("GET", "/registry/export", None), ("GET", "/status", None), ("GET", "/keys", None)]
    assert statuses(agent, VIEWER, one) == [200, 403, 200, 403, 403, 403]
    below = as_user(ORG_VIEWER, ORG_VIEWER,
                    lambda: Api(agent.control).get(path_of(ORG), below="true").json["items"])
    assert {item["identifier"] for item in below} == {"ops", "web", "db"}


def scopes_seen(agent, uid, **query):
    return as_user(uid, uid, lambda: [
        item["scope"] for item in Api(agent.control).get("/scopes", **query).json["items"]])


@needs_root
def test_who_sees_which_scopes(granted):
    agent, api, _ = granted
    everything = {"account": 1, ORG: 1, DB: 1, WEB: 1}
    assert {i["scope"]: i["resources"] for i in api.get("/scopes").json["items"]} == everything
    assert scopes_seen(agent, VIEWER) == [WEB]
    assert scopes_seen(agent, ORG_VIEWER) == [ORG, DB, WEB]
    first = api.get("/scopes", limit=3).json
    assert [i["scope"] for i in first["items"]] == ["account", ORG, DB]
    rest = api.get("/scopes", limit=3, after=first["next"]).json
    assert [i["scope"] for i in rest["items"]] == [WEB] and rest["next"] is None
    assert scopes_seen(agent, VIEWER, after=first["next"]) == [WEB]
    assert [api.get("/scopes", limit=bad).status for bad in (0, 1001, "x")] == [400] * 3
    assert api.get("/scopes", after="x").status == 400


@needs_root
def test_status_tells_what_the_scope_allows(granted):
    agent, api, _ = granted
    quoted = urllib.parse.quote(WEB)
    assert statuses(agent, VIEWER, [("GET", "/registry", None),
                                    ("GET", f"/registry?scope={quoted}", None)]) == [403, 200]
    mine = as_user(VIEWER, VIEWER, lambda: Api(agent.control).get("/registry", scope=WEB).json)
    assert mine["store"] is None and mine["scopes"] == 1
    assert {k["kind"]: k["resources"] for k in mine["kinds"]}["ssh-key"] == 1
    all_of_it = api.get("/registry").json
    assert all_of_it["store"]["path"].startswith(str(agent.state)) and all_of_it["scopes"] == 4


@needs_root
def test_a_viewer_changes_nothing(granted):
    agent, api, empty = granted
    before = api.get("/registry/export").json
    change = body(empty, "web", description="mine now")
    document = {"document": {"resources": [{"kind": "ssh-key", "scope": WEB, **change}]}}
    writes = [("POST", path_of(WEB), body(empty, "more")),
              ("PUT", path_of(WEB, name="web"), change), ("DELETE", path_of(WEB, name="web"), None),
              ("POST", "/registry/apply", document),
              ("POST", "/registry/backup", {"path": str(agent.folder / "stolen")}),
              ("POST", path_of(WEB, name="web") + "/test", {"host": "127.0.0.1"}),
              ("POST", "/runs", {"scope": WEB, "hosts": ["127.0.0.1"], "ssh_key": "web"})]
    assert statuses(agent, VIEWER, writes) == [403] * len(writes)
    assert api.get("/registry/export").json == before
    assert not (agent.folder / "stolen").exists()


@needs_root
def test_a_group_may_change_its_project_only(granted):
    agent, api, empty = granted
    assert statuses(agent, NOBODY, [
        ("PUT", path_of(WEB, name="web"), body(empty, "web", description="by the group")),
        ("PUT", path_of(DB, name="db"), body(empty, "db", description="by the group")),
        ("PUT", path_of(ORG, name="ops"), body(empty, "ops"))], gid=GROUP) == [200, 403, 403]
    assert api.get(path_of(WEB, name="web")).json["description"] == "by the group"


@needs_root
def test_who_has_no_grant_is_refused_at_accept(granted):
    agent, _, _ = granted

    def silent():
        """Sends nothing: only a refusal at accept ends this."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(str(agent.control))
            return len(s.recv(100))
    assert as_user(NOBODY, NOBODY, silent) == 0
    assert "connection refused" in agent.log() and f"{NOBODY}" in agent.log()
    assert "timed out" in str(as_user(VIEWER, VIEWER, lambda: waits(agent)))


def waits(agent):
    """Somebody who has a grant may be silent."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(1)
        s.connect(str(agent.control))
        return len(s.recv(100))


# --- connections of another user -----------------------------------------------------------------


USER_CONNS_MAX = 256
REQUEST_IDENTITIES, IDENTITIES_ANSWER = 11, 12


def is_served(path, keep=None):
    """Does a new connection get a list? It stays open in @keep."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    try:
        s.connect(str(path))
        s.sendall(text(bytes([REQUEST_IDENTITIES])))
        said = s.recv(65536)
    except (BrokenPipeError, ConnectionResetError):
        said = b""
    if keep is None:
        s.close()
    else:
        keep.append(s)
    return len(said) > 4 and said[4] == IDENTITIES_ANSWER


@needs_root
def test_one_user_cannot_take_all_connections(empty):
    agent = empty.agent([], [])
    (agent.folder / "open").mkdir(mode=0o755)
    path = agent.folder / "open/shared.sock"
    agent.settings["sockets"] = [{"path": str(path), "users": [str(VIEWER), str(NOBODY)]}]
    agent.write_config()
    for folder in (empty.place, empty.folder, agent.folder):
        folder.chmod(0o711)
    ready, go_on = os.pipe(), os.pipe()

    def hoard():
        kept = []
        served = [is_served(path, kept) for _ in range(USER_CONNS_MAX)]
        one_more = is_served(path)
        os.write(ready[1], b"x")
        os.read(go_on[0], 1)
        kept.pop().close()
        until = time.monotonic() + 20
        while not (again := is_served(path)) and time.monotonic() < until:
            time.sleep(0.05)
        return {"served": sum(served), "one_more": one_more, "again": again}

    with agent, concurrent.futures.ThreadPoolExecutor() as pool:
        hoarder = pool.submit(as_user, VIEWER, VIEWER, hoard)
        try:
            os.read(ready[0], 1)
            assert as_user(NOBODY, NOBODY, lambda: is_served(path))
            assert as_user(ORG_VIEWER, ORG_VIEWER, lambda: is_served(path)) is False
            assert is_served(path) and is_served(agent.socket)
        finally:
            os.write(go_on[1], b"x")
        assert hoarder.result() == {"served": USER_CONNS_MAX, "one_more": False, "again": True}
        assert f"uid {VIEWER} has {USER_CONNS_MAX}, the most that one user may have" in agent.log()
