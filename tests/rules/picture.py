"""The picture of the modules for README.md, made from the table in CMakeLists.txt.

    python3 tests/rules/picture.py           prints it
    python3 tests/rules/picture.py --write   puts it into README.md
"""

import re
import sys

from tree import ROOT, TIERS, table

BEGIN, END = "<!-- picture: made by tests/rules/picture.py --write -->", "<!-- /picture -->"


def reduced(name, uses):
    """Without what comes along by another of its uses."""
    def reach(used):
        return {used}.union(*(reach(u) for u in table().get(used, [])))
    return [u for u in uses if not any(u in reach(v) - {v} for v in uses if v != u)]


def picture():
    rows, last = [], None
    for name in sorted(table(), key=lambda n: (-TIERS[n], n)):
        tier = TIERS[name] if TIERS[name] != last else " "
        last = TIERS[name]
        uses = ", ".join(sorted(reduced(name, table()[name])))
        rows.append(f"{tier:>2}  {name:<16}" + (f"-> {uses}" if uses else ""))
    return "\n".join(row.rstrip() for row in rows)


def section():
    return f"{BEGIN}\n```\n{picture()}\n```\n{END}"


def current():
    match = re.search(f"{re.escape(BEGIN)}.*?{re.escape(END)}", (ROOT / "README.md").read_text(),
                      re.DOTALL)
    return match.group(0) if match else None


if __name__ == "__main__":
    if "--write" in sys.argv:
        readme = ROOT / "README.md"
        readme.write_text(readme.read_text().replace(current(), section()))
    else:
        print(picture())
