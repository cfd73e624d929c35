"""clang-format decides layout; the version is the one that ./dev sets up."""

import shutil
import subprocess

from tree import ROOT, c_files


def test_layout():
    pinned = ROOT / "build/deps/venv/bin/clang-format"
    program = str(pinned) if pinned.exists() else shutil.which("clang-format")
    assert program, "no clang-format: ./dev setup installs it"
    done = subprocess.run([program, "--dry-run", "-Werror", *map(str, c_files())], text=True,
                          capture_output=True, cwd=ROOT)
    wrong = sorted({line.split(": error")[0] for line in done.stderr.splitlines() if ": error" in line})
    assert done.returncode == 0, "`./dev format` mends:\n" + "\n".join(wrong[:40])
