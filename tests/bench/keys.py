"""The token that is measured, and a copy of it for each process: SoftHSM 2.6 rewrites its files at
every login, so no two may share one."""

from stage.token import SoftToken

# label, as pkcs11-tool names the type. The label is also the name of Holdfast's identity, so that
# both agents list a key with the same comment. (ssh-agent of Debian 12 has no Ed25519 on tokens.)
KEYS = {"rsa2048": "rsa:2048", "rsa3072": "rsa:3072", "p256": "EC:prime256v1",
        "p384": "EC:secp384r1", "p521": "EC:secp521r1"}


def make_token(folder):
    token = SoftToken(folder, "bench")
    for number, (label, kind) in enumerate(KEYS.items(), 1):
        token.tool("--keypairgen", "--key-type", kind, "--label", label, "--id", f"{number:02x}",
                   "--usage-sign")
    return token
