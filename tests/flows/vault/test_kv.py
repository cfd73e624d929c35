"""Texts in a real KV v2 engine: check-and-set, deletion, and answers that are lost."""

import json
import time

import pytest

from stage.bao import BaoError, write_private
from vault.probe import Probe

MIB = 1024 * 1024


@pytest.fixture
def at(bao, with_token, request):
    """(probe, fields): a place of this test's own in the engine."""
    bao.enable_kv("kv")
    prefix = "holdfast/" + request.node.name.translate(str.maketrans("[]", "--"))
    bao.policy("registry", f'path "kv/data/{prefix}/*" {{ capabilities = ["create","read","update"] }}\n'
                           f'path "kv/metadata/{prefix}/*" {{ capabilities = ["read", "list"] }}\n'
                           f'path "kv/metadata/{prefix}" {{ capabilities = ["list"] }}\n')
    write_private(with_token["token_file"], bao.token(["registry"]))
    with Probe({**with_token, "name": "fleet"}) as probe:
        def ask(command, **fields):
            answers = probe.ask(f"kv-{command}", server="fleet", mount="kv",
                                **{"prefix": prefix, **fields})
            return answers if "n" in fields else answers[0]
        ask.prefix, ask.probe = prefix, probe
        yield ask


def test_a_life(at):
    path = "connector/org/acme/main"
    assert at("get", path=path) == {"text": None, "version": 0}
    assert at("put", path=path, text="one") == {"version": 1}
    assert at("get", path=path) == {"text": "one", "version": 1}
    assert at("put", path=path, text="two", version=1) == {"version": 2}
    assert at("delete", path=path, version=2) == {"version": 0}
    assert at("get", path=path) == {"text": None, "version": 0}
    again = at("put", path=path, text="three")
    assert again == {"version": 4}
    assert at("get", path=path) == {"text": "three", "version": 4}


def test_another_version_is_busy(at):
    at("put", path="a", text="one")
    for fields in ({"version": 0}, {"version": 2}, {"version": 7}):
        answer = at("put", path="a", text="x", **fields)
        assert answer["error"]["code"] == "busy" and answer["error"]["name"] == "STALE"
        assert "kv/" + at.prefix + "/a" in answer["error"]["text"]
    assert at("delete", path="a", version=3)["error"]["code"] == "busy"
    assert at("delete", path="a")["error"]["code"] == "input"
    assert at("get", path="a") == {"text": "one", "version": 1}
    assert at("put", path="absent", text="x", version=1)["error"]["code"] == "busy"


def test_a_deleted_one_is_not_written_by_its_old_version(at):
    at("put", path="a", text="one")
    at("delete", path="a", version=1)
    assert at("put", path="a", text="x", version=1)["error"]["code"] == "busy"
    assert at("delete", path="a", version=1)["error"]["code"] == "busy"
    assert at("put", path="a", text="two") == {"version": 3}


def test_of_many_writers_one_wins(at):
    for version in (0, 1):
        answers = at("put", path="a", text="w", version=version, n=20)
        good = [a for a in answers if "error" not in a]
        assert [a["version"] for a in good] == [version + 1]
        assert all(a["error"]["code"] == "busy" for a in answers if "error" in a)
    at("delete", path="a", version=2)
    answers = at("put", path="a", text="w", n=20)  # all of them find the grave
    assert [a["version"] for a in answers if "error" not in a] == [4]


def test_what_others_deleted_is_absent(bao, at):
    at("put", path="a", text="one")
    bao.api("DELETE", f"kv/data/{at.prefix}/a")
    assert at("get", path="a") == {"text": None, "version": 0}
    assert at("put", path="a", text="two") == {"version": 2}
    bao.api("DELETE", f"kv/metadata/{at.prefix}/a")
    assert at("get", path="a") == {"text": None, "version": 0}
    assert at("put", path="a", text="three") == {"version": 1}


def test_what_is_none_of_ours_is_said(bao, at):
    bao.api("POST", f"kv/data/{at.prefix}/a", {"data": {"password": "x"}})
    error = at("get", path="a")["error"]
    assert error["code"] == "protocol" and "not an entry that Holdfast wrote" in error["text"]
    assert at("put", path="a", text="two")["error"]["code"] == "protocol"


def test_list(at):
    assert at("list") == {"names": []}
    for path in ("b", "a", "c/x", "c/y"):
        at("put", path=path, text="t")
    assert at("list")["names"] == ["a", "b", "c/"]
    assert at("list", path="c")["names"] == ["x", "y"]
    assert at("list", path="nothing")["names"] == []


def test_long_texts(at):
    for version, size in enumerate((128 * 1024, 128 * 1024 + 1, 5 * MIB, 3)):
        assert at("put", path="a", text="-", size=size, version=version) == {"version": version + 1}
        assert at("get", path="a") == {"text": "x" * size, "version": version + 1}
    assert at("put", path="b", text="-", size=16 * MIB + 1)["error"]["code"] == "limit"
    assert at("put", path="b", text="holdfast-parts ab 1")["error"]["code"] == "input"


def pieces(bao, at):
    """How many texts below _parts/ have pieces that live."""
    try:
        ids = bao.api("GET", f"kv/metadata/{at.prefix}/_parts?list=true")["data"]["keys"]
    except BaoError as e:
        assert e.status == 404
        return 0
    lives = 0
    for one in ids:
        try:
            lives += "text" in bao.api("GET", f"kv/data/{at.prefix}/_parts/{one}7")["data"]["data"]
        except BaoError as e:
            assert e.status == 404
    return lives


@pytest.mark.parametrize("may_destroy", (False, True))
def test_pieces_that_nobody_refers_to_go(bao, at, may_destroy):
    if may_destroy:
        bao.policy("registry", f'path "kv/data/{at.prefix}/*" {{ capabilities = ["create","read","update"] }}\n'
                               f'path "kv/metadata/{at.prefix}/*" {{ capabilities = ["read", "list", "delete"] }}\n')
    assert at("put", path="a", text="-", size=MIB) == {"version": 1}
    assert pieces(bao, at) == 1
    assert at("put", path="a", text="-", size=MIB, version=7)["error"]["code"] == "busy"
    assert at("put", path="a", text="-", size=2 * MIB, version=1) == {"version": 2}
    assert at("get", path="a")["text"] == "x" * 2 * MIB
    wait(lambda: at("get", path="a") and pieces(bao, at) == 1)
    assert at("delete", path="a", version=2) == {"version": 0}
    wait(lambda: at("get", path="a") and pieces(bao, at) == 0)
    assert at("get", path="a")["text"] is None


def wait(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_piece_that_is_missing_is_said(bao, at):
    assert at("put", path="a", text="-", size=MIB) == {"version": 1}
    (one,) = bao.api("GET", f"kv/metadata/{at.prefix}/_parts?list=true")["data"]["keys"]
    bao.api("DELETE", f"kv/metadata/{at.prefix}/_parts/{one}3")
    error = at("get", path="a")["error"]
    assert error["code"] == "protocol" and "piece 4 of 8 is missing" in error["text"]


def test_texts_come_back_as_they_were(at):
    text = '{"name": "Zürich \\\\ \u2603"; \'x\'}\t'
    assert at("put", path="a", text=text) == {"version": 1}
    assert at("get", path="a")["text"] == text


@pytest.mark.parametrize("path", ["../other", "a//b", "a?version=1", "a%2fb", "a#b"])
def test_paths_lead_nowhere_else(at, path):
    for command in ("get", "list", "put"):
        assert at(command, path=path, text="x")["error"]["code"] == "input"


def test_refusals(bao, at):
    error = at("get", path="a", prefix="other")["error"]
    assert error["code"] == "denied" and "Vault says" in error["text"] and "vault fleet at" in error["text"]
    answers = at.probe.ask("kv-get", server="fleet", mount="nowhere", path="a")
    assert answers[0]["error"]["code"] in ("denied", "not-found")
    answers = at.probe.ask("kv-get", server="nobody", mount="kv", path="a")
    assert answers[0]["error"]["code"] == "not-found"
    at.probe.ask("remove", name="fleet")
    assert at("get", path="a")["error"]["code"] == "not-found"


# --- answers that are lost ---------------------------------------------------------------

DATA = "/v1/kv/data/p/a"
MISMATCH = (400, {}, json.dumps({"errors": [
    "check-and-set parameter did not match the current version"]}).encode())


def stored(version, **data):
    return (200, {}, json.dumps(
        {"data": {"data": data, "metadata": {"version": version}}}).encode())


@pytest.fixture
def with_fake(with_fake):
    return {**with_fake, "name": "fleet"}


def put(probe, **fields):
    return probe.ask("kv-put", server="fleet", mount="kv", prefix="p", path="a",
                     text="new", **fields)[0]


def test_a_write_whose_answer_was_lost_is_known_again(fake, with_fake):
    def version_4(_):
        sent = json.loads(fake.asked(DATA)[0]["body"])
        assert sent["options"] == {"cas": 3} and sent["data"]["text"] == "new"
        return stored(4, **sent["data"])

    fake.answers[DATA] = [(500, {}, b""), MISMATCH]
    fake.answers[DATA + "?version=4"] = version_4
    with Probe(with_fake) as probe:
        assert put(probe, version=3) == {"version": 4}
    writes = [json.loads(r["body"])["data"]["write"] for r in fake.asked(DATA)]
    assert len(writes) == 2 and len(set(writes)) == 1 and len(writes[0]) == 24


def test_the_write_of_another_is_not_taken_for_ours(fake, with_fake):
    with Probe(with_fake) as probe:
        for other in (stored(4, text="new", write="0" * 24), stored(4, text="new"),
                      stored(4, password="x"), (404, {}, b'{"errors": []}')):
            fake.answers[DATA] = [(500, {}, b""), MISMATCH]
            fake.answers[DATA + "?version=4"] = other
            assert put(probe, version=3)["error"]["code"] == "busy"


def test_a_standby_that_lags_is_waited_for(fake, with_fake):
    def version_4(_):
        return stored(4, **json.loads(fake.asked(DATA)[0]["body"])["data"])

    fake.answers[DATA] = [(500, {}, b""), MISMATCH]
    fake.answers[DATA + "?version=4"] = [(404, {}, b'{"errors": []}')] * 2 + [version_4]
    with Probe(with_fake) as probe:
        assert put(probe, version=3) == {"version": 4}


def test_a_plain_conflict_costs_one_request(fake, with_fake):
    fake.answers[DATA] = MISMATCH
    with Probe(with_fake) as probe:
        assert put(probe, version=3)["error"]["code"] == "busy"
    assert len([r for r in fake.requests if "/kv/" in r["path"]]) == 1
