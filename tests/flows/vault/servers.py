"""Servers for answers that a real OpenBao does not give, or not when a test wants them."""

import http.client
import http.server
import json
import socket
import ssl
import threading
import time


class SilentServer:
    """Accepts connections and never says a word."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self._taken = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def _accept(self):
        try:
            while True:
                self._taken.append(self._socket.accept()[0])
        except OSError:
            return

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for taken in self._taken:
            taken.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.fake.connections += 1
        self.server.fake.open.append(self.connection)

    def date_time_string(self, timestamp=None):
        return self._date or super().date_time_string(timestamp)

    def log_message(self, *_):
        pass

    def _serve(self):
        fake, self._date = self.server.fake, None
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = {"method": self.command, "path": self.path, "headers": dict(self.headers),
                   "body": body, "at": time.monotonic()}
        fake.requests.append(request)
        if self.path in fake.endless:
            self._send_much(fake.endless[self.path])
            return
        if self.path in fake.raw:
            self.close_connection = True
            try:
                fake.raw[self.path](self.wfile)
            except OSError:
                pass  # the client has had enough
            return
        status, headers, body = fake.answer_to(request)
        headers = dict(headers)
        self._date = headers.pop("Date", None)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _serve

    def _send_much(self, total):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        chunk = b" " * 65536
        try:
            while self.server.fake.sent < total:
                self.wfile.write(chunk)
                self.server.fake.sent += len(chunk)
        except OSError:
            return


class FakeVault:
    """An HTTPS server with canned answers by path: (status, headers, body), a function
    of the path that gives that, or a list of them, the last of which stays. What is not listed is
    answered as Vault answers a token without rights. raw: functions that write to the socket."""

    def __init__(self, ca, names="IP:127.0.0.1", days=2, client_ca=None):
        self.ca, self.names, self.days, self.sni = ca, names, days, []
        self.ca_path = ca.path
        self.client_ca = client_ca  # asks for client certificates of this one
        self.answers, self.endless, self.raw, self.requests = {}, {}, {}, []
        self.connections = self.sent = 0
        self.open = []

    def present(self, ca, names="IP:127.0.0.1", days=2):
        """From now on another certificate, to connections that are new: the old ones end."""
        self._context.num_tickets = 0  # a session that is resumed shows no certificate
        self._context.load_cert_chain(*ca.issue(f"fake{days}", names, days=days))
        while self.open:
            try:
                self.open.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended

    def answer_to(self, request):
        return self.next_answer(request["path"])

    def next_answer(self, path):
        answer = self.answers.get(path, (403, {}, b'{"errors": ["permission denied"]}'))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer(path) if callable(answer) else answer

    def asked(self, path):
        return [r for r in self.requests if r["path"] == path]

    def __enter__(self):
        cert, key = self.ca.issue("fake", self.names, days=self.days)
        self._context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        context.sni_callback = lambda _socket, name, _context: self.sni.append(name)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads, self._server.fake = True, self
        self._server.handle_error = lambda *_: None
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.address = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Front(FakeVault):
    """In front of a real server: what comes in goes on to it, with .adds in its headers, and what it
    answers comes back. While there is .instead, that is the answer, and nothing goes on."""

    def __init__(self, ca, bao=None):
        super().__init__(ca)
        self.adds, self.instead = {}, None
        self.bao = bao

    def answer_to(self, request):
        if self.instead:
            return self.instead
        tls = ssl.create_default_context(cafile=str(self.bao.ca_path))
        behind = http.client.HTTPSConnection("127.0.0.1", self.bao.port, context=tls, timeout=30)
        try:
            behind.request(request["method"], request["path"], request["body"],
                           {**request["headers"], **self.adds})
            answer = behind.getresponse()
            kept = {name: answer.headers[name] for name in ("Content-Type", "Date", "Location")
                    if name in answer.headers}
            return answer.status, kept, answer.read()
        finally:
            behind.close()


class Tunnel:
    """An HTTP proxy that knows CONNECT."""

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.targets = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        try:
            while True:
                threading.Thread(target=self._serve, args=[self._socket.accept()[0]],
                                 daemon=True).start()
        except OSError:
            return

    def _serve(self, client):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        target = head.split()[1].decode()
        self.targets.append(target)
        host, port = target.split(":")
        try:
            server = socket.create_connection((host, int(port)))
        except OSError:
            client.sendall(b"HTTP/1.1 502 Nobody there\r\n\r\n")
            client.close()
            return
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        threading.Thread(target=self._pump, args=[server, client], daemon=True).start()
        self._pump(client, server)

    @staticmethod
    def _pump(one, other):
        try:
            while chunk := one.recv(65536):
                other.sendall(chunk)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class KubernetesApi(FakeVault):
    """The one call of a Kubernetes API server that Vault's kubernetes method makes: TokenReview.

    It answers as an API server does (authentication.k8s.io/v1): who a service account's token says
    that it is, where it is one of .known; everything else is not authenticated. Spec: Kubernetes API
    reference, TokenReview."""

    def __init__(self, ca):
        super().__init__(ca)
        self.known = {}  # token: "namespace:name"

    def next_answer(self, path):
        review = json.loads(self.requests[-1]["body"])
        account = self.known.get(review["spec"]["token"])
        status = {"authenticated": False, "error": "invalid bearer token"}
        if account:
            status = {"authenticated": True, "audiences": review["spec"].get("audiences") or [],
                      "user": {"username": f"system:serviceaccount:{account}", "uid": "u-1",
                               "groups": ["system:serviceaccounts", "system:authenticated"]}}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        return 201, {"Content-Type": "application/json"}, json.dumps(body).encode()
