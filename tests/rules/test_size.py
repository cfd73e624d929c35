"""A file is one noun, a function one thought. Split instead of asking for an exception."""

import subprocess

from tree import ROOT, c_files, report, sources, where

FILE_LINES, FUNCTION_LINES, COMPLEXITY = 500, 70, 15


def test_files():
    counts = [(path, len(path.read_text().splitlines())) for path in c_files()]
    report([f"{where(path)}: {n} lines, at most {FILE_LINES}" for path, n in counts
            if n > FILE_LINES])


def test_functions():
    measured = subprocess.run(["pmccabe", *[str(p) for p in sources() if p.suffix == ".c"]],
                              text=True, capture_output=True, check=True).stdout.splitlines()
    assert len(measured) > 500, "pmccabe saw too little"
    wrong = []
    for line in measured:
        complexity, _, _, _, lines, place = line.split("\t", 5)
        place = place.replace(f"{ROOT}/", "")
        if int(complexity) > COMPLEXITY:
            wrong.append(f"{place}: complexity {complexity}, at most {COMPLEXITY}")
        if int(lines) > FUNCTION_LINES:
            wrong.append(f"{place}: {lines} lines, at most {FUNCTION_LINES}")
    report(wrong)
