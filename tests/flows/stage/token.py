"""A SoftHSM2 token of a test's own.

    token = SoftToken(folder, "demo")
    token.env()      # what a process needs to see it
    token.uri        # pkcs11:token=demo

SoftHSM 2.6 rewrites its files at every login, so no two tests share one (see the design notes on
measured facts).
"""

import copy
import os
import pathlib
import shutil
import subprocess

from stage.bao import write_private

PIN = "24680135"
SO_PIN = "97531086"


def softhsm_module():
    """Path of libsofthsm2.so where distributions put it."""
    for folder in ("/usr/lib/softhsm", *map(str, pathlib.Path("/usr/lib").glob("*-linux-gnu/softhsm"))):
        module = pathlib.Path(folder) / "libsofthsm2.so"
        if module.exists():
            return str(module)
    raise RuntimeError("SoftHSM2 is not installed: ./dev setup does that")


class SoftToken:
    def __init__(self, folder, label="demo", pin=PIN):
        self.label, self.pin = label, pin
        self.module = softhsm_module()
        self._settle(folder)
        self.init(label)

    def _settle(self, folder):
        self.folder = pathlib.Path(folder)
        self.store = self.folder / "tokens"
        self.store.mkdir(parents=True, exist_ok=True)
        self.conf = self.folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.store}\nobjectstore.backend = file\n"
                             "log.level = ERROR\nslots.removable = false\n")
        self.pin_file = write_private(self.folder / f"{self.label}.pin", self.pin + "\n")

    def copy(self, folder):
        """The same token with the same keys for another process, in a folder of its own."""
        twin = copy.copy(self)
        twin._settle(folder)
        shutil.copytree(self.store, twin.store, dirs_exist_ok=True)
        return twin

    def init(self, label):
        """One more token in the same store."""
        self._run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", self.pin,
                  "--so-pin", SO_PIN)

    @property
    def uri(self):
        return f"pkcs11:token={self.label}"

    def env(self):
        return {"SOFTHSM2_CONF": str(self.conf)}

    def tool(self, *args, pin=True, check=True):
        """pkcs11-tool on this token, logged in."""
        login = ["--login", "--pin", self.pin] if pin else []
        return self._run("pkcs11-tool", "--module", self.module, "--token-label", self.label, *login,
                         *args, check=check)

    def _run(self, *command, check=True):
        done = subprocess.run(list(map(str, command)), env={**os.environ, **self.env()}, text=True,
                              capture_output=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
        return done

    def remove(self):
        """Take the token away, as pulling it out would; see restore()."""
        self.store.rename(self.folder / "tokens.away")
        self.store.mkdir()

    def restore(self):
        shutil.rmtree(self.store)
        (self.folder / "tokens.away").rename(self.store)
