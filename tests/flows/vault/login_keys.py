"""Keys to log in with, as a token has them, and certificates for them."""

import subprocess

from stage.bao import lasts

# As the openssl command makes them, and what a JWT signed with one names.
KINDS = {
    "p256": (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ES256"),
    "p384": (["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "ES384"),
    "p521": (["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "ES512"),
    "rsa": (["rsa", "-pkeyopt", "rsa_keygen_bits:2048"], "RS256"),
    "ed25519": (["ed25519"], "EdDSA"),
}


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True,
                          text=True).stdout


def new_key(folder, kind, name="login"):
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / f"{name}-{kind}.key"
    options = KINDS[kind][0]
    openssl("genpkey", "-algorithm", options[0], *options[1:], "-out", key)
    return key


def public_pem(key):
    return openssl("pkey", "-in", key, "-pubout")


def certify(ca, key, name="host.example.org", days=2, is_ca=False):
    """A certificate of @ca for a key: its file."""
    request, extensions = key.with_suffix(".csr"), key.with_suffix(".ext")
    cert = key.with_suffix(f".{ca.folder.name}.pem")
    extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                          if is_ca else
                          f"subjectAltName=DNS:{name}\nextendedKeyUsage=clientAuth\n")
    openssl("req", "-new", "-key", key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", ca.path, "-CAkey", ca.key, "-CAcreateserial",
            "-out", cert, *lasts(days), "-extfile", extensions)
    return cert
