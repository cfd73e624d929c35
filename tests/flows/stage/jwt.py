"""JSON Web Tokens as an identity provider issues them, by the openssl command."""

import base64
import json
import pathlib
import subprocess
import time


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """A provider with an RSA key: .public_pem goes to Vault, token() gives a signed JWT."""

    def __init__(self, folder, name="https://issuer.example.org"):
        self.name, self.key = name, pathlib.Path(folder) / "issuer.key"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True,
                       capture_output=True)
        self.public_pem = subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout"], check=True,
                                         text=True, capture_output=True).stdout

    def token(self, lifetime_s=300, **claims):
        now = int(time.time())
        payload = {"iss": self.name, "sub": "agent", "aud": "vault", "iat": now - 600,
                   "nbf": now - 600, "exp": now + lifetime_s, **claims}
        text = ".".join(_b64(json.dumps(part).encode())
                        for part in ({"alg": "RS256", "typ": "JWT"}, payload))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], check=True,
                                   input=text.encode(), capture_output=True).stdout
        return f"{text}.{_b64(signature)}"
