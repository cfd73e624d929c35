"""The benchmark `registry`: 10,000 resources in a real agent, beside SQLite on the same database.

A page through the control API (a kept connection) is measured against two that ask SQLite for the
same 100 rows: the program `sqlite3`, as a whole process, and the bare query, prepared, in this
process. The three take turns, so that a machine whose speed drifts slows all of them. The client is
raw bytes on a socket: what Python's own HTTP client costs is not the agent's.

The limit of a write is the same rows in a copy of the database, one transaction each, synced.
"""

import contextlib
import json
import pathlib
import socket
import sqlite3
import statistics
import subprocess
import time
import urllib.parse

from stage.agent import Agent
from stage.token import SoftToken

from peers import memory
from table import Row

RESOURCES, PAGE, IN_DOCUMENT = 10000, 100, 400
WRITERS = 8
GOAL = 3.0  # a page costs at most this many times the bare query
PATH = "/v1/scopes/account/connectors"
COLUMNS = "kind, scope, id, revision, name, body, created, updated, lists"
QUERY = (f"SELECT {COLUMNS} FROM entry WHERE kind = 'connector'"
         f" AND (scope, name, id) > ({{}}, {{}}, {{}}) ORDER BY scope, name, id LIMIT {PAGE}")
ALL = f"SELECT {COLUMNS} FROM entry ORDER BY scope, name, id"


def connector(number):
    """What is declared: an address, a login, a reference, two tags."""
    return {"name": f"Vault {number:05}", "description": f"the vault of team {number % 97}",
            "tags": [f"team{number % 97}", f"site{number % 7}"], "spec": {
                "type": "vault", "addresses": [f"https://vault{number}.example:8200"],
                "namespace": f"team{number % 97}", "certificate": "vault_ca",
                "login": {"method": "approle", "role_id_file": "/etc/holdfast/role-id",
                          "secret_id_file": "/etc/holdfast/secret-id"}}}


def name_of(number):
    return f"Vault {number:05}", f"vault_{number:05}"


class Connection:
    """One kept connection to the control API."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))

    def send(self, request):
        self.socket.sendall(request)

    def receive(self, want=b"200"):
        got = self.socket.recv(262144)
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(262144)
        head, body = got.split(b"\r\n\r\n", 1)
        missing = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(body)
        parts = [body]
        while missing > 0:
            parts.append(self.socket.recv(262144))
            missing -= len(parts[-1])
        body = b"".join(parts)
        if head.split(b" ", 2)[1] != want:
            raise RuntimeError(f"{head!r}\n{body[:2000]!r}")
        return body

    def ask(self, request, want=b"200"):
        self.send(request)
        return self.receive(want)


def request(method, path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    headers = f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n" if data else ""
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\n{headers}\r\n".encode()
            + data)


def p50_us(call, seconds):
    """The median of as many calls as there is time for."""
    took, until = [], time.perf_counter() + seconds
    while not took or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return statistics.median(took) * 1e6


def per_second(call, seconds):
    """How often; each call says how much it did."""
    start, done = time.perf_counter(), 0
    while time.perf_counter() < start + seconds:
        done += call()
    return done / (time.perf_counter() - start)


class Registry:
    """One agent whose registry is filled; @emit gets the rows."""

    def __init__(self, agent, pace, emit, say):
        self.agent, self.pace, self.emit, self.say = agent, pace, emit, say
        self.database = agent.state / "registry.sqlite3"
        self.api = Connection(agent.control)
        self.fresh = RESOURCES  # numbers from here on are not used yet

    def run(self):
        self.memory("memory, empty")
        self.fill()
        self.memory(f"memory, {RESOURCES} resources")
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as bare:
            self.pages(bare)
            empty = request("GET", "/v1/tokens")
            self.compare("an empty answer, p50", "us", "lower",
                         lambda: p50_us(lambda: self.api.ask(empty), self.pace.seconds))
            self.export(bare)
        self.writes()
        self.memory("memory after load")

    def compare(self, name, unit, better, ours, peer=None, limit=None):
        """A row out of calls that measure once each, in turn."""
        self.say(name)
        got = ([], [], [])
        for _ in range(self.pace.runs):
            for samples, call in zip(got, (ours, peer, limit)):
                if call:
                    samples.append(call())
        self.emit(Row(name, unit, better, *got))

    def memory(self, name):
        got = memory(self.agent.pid)
        for field in ("rss", "pss"):
            self.emit(Row(f"{name} {field.upper()}", "kB", "lower", [got[field]], [], []))

    # --- fill ---

    def fill(self):
        self.say(f"{RESOURCES} resources in documents of {IN_DOCUMENT}")
        pem = self.agent.folder / "ca.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-days", "3650",
                        "-keyout", "/dev/null", "-out", pem], check=True, capture_output=True)
        self.api.ask(request("POST", "/v1/scopes/account/certificates", {
            "name": "Vault CA", "spec": {"pem": pem.read_text()}}), b"201")
        rates = []
        for start in range(0, RESOURCES, IN_DOCUMENT):
            numbers = range(start, min(start + IN_DOCUMENT, RESOURCES))
            ask = request("POST", "/v1/registry/apply", {"document": {"resources": [
                {"kind": "connector", "scope": "account", **connector(n)} for n in numbers]}})
            begun = time.perf_counter()
            self.api.ask(ask)
            rates.append(len(numbers) / (time.perf_counter() - begun))
        self.emit(Row(f"apply, {IN_DOCUMENT} at once", "1/s", "higher", rates, [], []))

    # --- read ---

    def cursors(self):
        """Of each page but the first; and the pages have all there is, once."""
        found, names, after = [], [], ""
        while after is not None:
            page = json.loads(self.api.ask(self.page_request(after)))
            names += [item["name"] for item in page["items"]]
            after = page.get("next")
            found += [after] if after else []
        if names != [name_of(n)[0] for n in range(RESOURCES)]:
            raise RuntimeError(f"the pages have {len(names)} resources, not in order or not all")
        return found

    @staticmethod
    def page_request(after):
        query = urllib.parse.urlencode({"limit": PAGE, **({"after": after} if after else {})})
        return request("GET", f"{PATH}?{query}")

    def pages(self, bare):
        """The first page and the last, in turn."""
        before_last = ("account", *name_of(RESOURCES - PAGE - 1))
        sides = {"first": self.page("first", None, ("", "", ""), bare),
                 "last": self.page("last", self.cursors()[-1], before_last, bare)}
        self.say(f"pages of {PAGE}")
        got = {name: ([], [], []) for name in sides}
        for _ in range(self.pace.runs):
            for name, calls in sides.items():
                for samples, call in zip(got[name], calls):
                    samples.append(p50_us(call, self.pace.seconds))
        rows = {name: Row(f"page of {PAGE}, {name}, p50", "us", "lower", *samples)
                for name, samples in got.items()}
        ratios = [last / first for first, last in zip(got["first"][0], got["last"][0])]
        for row in (*rows.values(), Row("page: last over first", "x", "lower", ratios, [], [])):
            self.emit(row)
        for name, row in rows.items():
            for side, what in (("peer", "the program sqlite3"), ("limit", "the query in process")):
                ratio = row.ratio(side)
                self.say(f"{name} page of {PAGE} out of {RESOURCES}: {ratio:.2f} x {what}; at most "
                         f"{GOAL:.0f} x {'holds' if ratio <= GOAL else 'does not hold'}")

    def page(self, name, after, place, bare):
        """A page as a call for each side, once it is sure that all give the same."""
        ask = self.page_request(after)
        prepared = QUERY.format("?", "?", "?")
        command = ["sqlite3", "-readonly", str(self.database),
                   QUERY.format(*(f"'{text}'" for text in place))]

        def ours():
            return self.api.ask(ask)

        def program():
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, close_fds=False)
            return done.stdout

        def query():
            return bare.execute(prepared, place).fetchall()
        names = [item["identifier"] for item in json.loads(ours())["items"]]
        if names != [row[2] for row in query()] or len(names) != PAGE or \
                program().count(b"connector|account|") != PAGE:
            raise RuntimeError(f"{name} page: the API and SQLite differ")
        return ours, program, query

    def export(self, bare):
        def ms(call):
            return lambda: p50_us(call, 0) / 1e3
        command = ["sqlite3", "-readonly", str(self.database), ALL]
        self.compare("export", "ms", "lower",
                     ms(lambda: self.api.ask(request("GET", "/v1/registry/export"))),
                     ms(lambda: subprocess.run(command, stdout=subprocess.PIPE, check=True)),
                     ms(lambda: bare.execute(ALL).fetchall()))

    # --- write ---

    def writes(self):
        others = [self.api] + [Connection(self.agent.control) for _ in range(WRITERS - 1)]
        with contextlib.closing(Bare(self.database, self.agent.folder / "bare.sqlite3")) as bare:
            for connections in (others[:1], others):
                for name, ours, limit in (("create", self.create, bare.create),
                                          ("update", self.update, bare.update)):
                    self.compare(f"{name} c={len(connections)}", "1/s", "higher",
                                 self.rate(connections, ours), None,
                                 lambda limit=limit: per_second(limit, self.pace.seconds))

    def rate(self, connections, change):
        def round_trip():
            """One change a connection, all under way at once."""
            asks = [change() for _ in connections]
            for connection, (ask, _) in zip(connections, asks):
                connection.send(ask)
            for connection, (_, want) in zip(connections, asks):
                connection.receive(want)
            return len(asks)
        return lambda: per_second(round_trip, self.pace.seconds)

    def create(self):
        self.fresh += 1
        return request("POST", PATH, connector(self.fresh)), b"201"

    def update(self):
        self.fresh += 1  # so that each is different
        number = self.fresh % RESOURCES
        return request("PUT", f"{PATH}/{name_of(number)[1]}", {
            **connector(number), "description": f"changed, {self.fresh}"}), b"200"


class Bare:
    """The same rows in a copy of the database, by nothing but SQLite."""

    def __init__(self, database, path):
        self.sql = sqlite3.connect(path, isolation_level=None)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source:
            source.backup(self.sql)
        self.sql.execute("PRAGMA journal_mode = WAL")
        self.sql.execute("PRAGMA synchronous = FULL")
        self.sql.execute("PRAGMA foreign_keys = ON")
        self.model = self.sql.execute(
            "SELECT body, lists FROM entry WHERE kind = 'connector' LIMIT 1").fetchone()
        self.fresh = RESOURCES

    def create(self):
        self.fresh += 1
        name, identifier = name_of(self.fresh)
        self.sql.execute("BEGIN IMMEDIATE")
        entry = self.sql.execute(
            "INSERT INTO entry (kind, scope, id, revision, name, body, lists, created, updated)"
            " VALUES ('connector', 'account', ?, 1, ?, ?, ?, 1, 1)",
            (identifier, name, *self.model)).lastrowid
        for place in range(2):
            self.sql.execute("INSERT INTO tag VALUES (?, ?, ?)", (entry, place, f"tag{place}"))
        self.sql.execute("INSERT INTO reference VALUES (?, 0, 'certificate', 'account', 'vault_ca')",
                         (entry,))
        self.sql.execute("COMMIT")
        return 1

    def update(self):
        self.fresh += 1
        identifier = name_of(self.fresh % RESOURCES)[1]
        self.sql.execute("BEGIN IMMEDIATE")
        self.sql.execute("UPDATE entry SET revision = revision + 1, body = ?, updated = ? WHERE"
                         " kind = 'connector' AND scope = 'account' AND id = ?",
                         (self.model[0], self.fresh, identifier))
        self.sql.execute("COMMIT")
        return 1

    def close(self):
        self.sql.close()


def run(folder, pace, emit, say):
    folder = pathlib.Path(folder)
    with Agent(folder / "a", SoftToken(folder / "token", "bench")) as agent:
        say(f"{agent.holdfast('--version').stdout.strip()} and SQLite {sqlite3.sqlite_version}")
        Registry(agent, pace, emit, say).run()
