"""The control API as a client of a test sees it: HTTP on the agent's Unix socket.

    api = Api(agent.control)
    made = api.post("/scopes/account/connectors", {...})
    made.status, made.json, made.etag
"""

import http.client
import json
import socket
import urllib.parse


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.etag = headers.get("ETag")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        """JSON lines, without heartbeats."""
        return [v for v in map(json.loads, self.body.splitlines()) if v]

    def __repr__(self):
        return f"HTTP {self.status}: {self.body[:2000]}"


class Api:
    def __init__(self, path, timeout=120):
        self.path, self.timeout = path, timeout

    def call(self, method, path, body=None, headers=None):
        connection = _UnixConnection(self.path, self.timeout)
        try:
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, f"/v1{path}", data,
                               {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
        finally:
            connection.close()

    def get(self, path, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body=None):
        return self.call("POST", path, body)

    def put(self, path, body, etag="*"):
        return self.call("PUT", path, body, {"If-Match": etag})

    def delete(self, path, etag="*", **query):
        return self.call("DELETE", path + ("?" + urllib.parse.urlencode(query) if query else ""),
                         headers={"If-Match": etag})
