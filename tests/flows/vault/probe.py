"""The agent's client of holdfast-vault, with the real helper behind it, as a Python object."""

import json
import os
import pathlib
import subprocess

BIN = pathlib.Path(os.environ.get("HOLDFAST_BUILD", "build/asan")) / "bin"


class Probe:
    """One vault_probe: servers as dictionaries of settings, then sign() and status()."""

    def __init__(self, *servers, env=None):
        arguments = [",".join(f"{k}={v}" for k, v in {"name": "test", **s}.items())
                     for s in servers]
        self.process = subprocess.Popen(
            [BIN / "vault_probe", BIN / "holdfast-vault", *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        _, errors = self.process.communicate(timeout=60)
        if not failed:
            assert self.process.returncode == 0, errors
            assert "Sanitizer" not in errors and "runtime error" not in errors, errors

    def ask(self, command, **fields):
        """The answer to a line of the probe: see vault_probe.c."""
        line = ",".join([command, *(f"{k}={v}" for k, v in fields.items())])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def sign(self, key, **fields):
        return self.sign_all(key, **fields)[0]

    def sign_all(self, key, command="sign", **fields):
        return self.ask(command, **{"mount": "ssh", "role": "web", "principals": "deploy",
                                    "key": key, **fields})

    def cert(self, key, **fields):
        answer = self.sign(key, **fields)
        assert "cert" in answer, answer
        return answer

    def error(self, key, **fields):
        answer = self.sign(key, **fields)
        assert "error" in answer, answer
        return answer["error"]

    def status(self, server=0):
        return self.ask("status")[server]
