"""What comes out: rows of ours, peer and limit, as aligned text or as a JSON object a line."""

import json
import statistics

COLUMNS = "{:<27}{:>4} {:>17} {:>17} {:>17} {:>6} {:>6}"


class Row:
    """One figure: the samples of each side, all of the same run."""

    def __init__(self, name, unit, better, ours, peer, limit):
        self.name, self.unit, self.better = name, unit, better
        self.samples = {"ours": ours, "peer": peer, "limit": limit}

    def median(self, side):
        return statistics.median(self.samples[side]) if self.samples[side] else None

    def ratio(self, side):
        ours, other = self.median("ours"), self.median(side)
        return ours / other if ours is not None and other else None

    def json(self):
        row = {"name": self.name, "unit": self.unit, "better": self.better}
        for side in self.samples:
            row[side] = self.median(side)
        row["ours_over_peer"], row["ours_over_limit"] = self.ratio("peer"), self.ratio("limit")
        for side, samples in self.samples.items():
            row[f"{side}_min"] = min(samples, default=None)
            row[f"{side}_max"] = max(samples, default=None)
        return json.dumps({key: round(value, 4) if isinstance(value, float) else value
                           for key, value in row.items()})

    def text(self):
        return COLUMNS.format(self.name, self.unit, *map(self._spread, self.samples),
                              times(self.ratio("peer")), times(self.ratio("limit")))

    def _spread(self, side):
        samples = self.samples[side]
        if not samples:
            return "-"
        if len(samples) == 1:
            return short(samples[0])
        return "/".join(map(short, (min(samples), self.median(side), max(samples))))


def short(value):
    """Three figures, at most five characters."""
    for limit, scale, suffix in ((1e4, 1, ""), (1e7, 1e3, "k"), (1e10, 1e6, "M")):
        if value < limit:
            value /= scale
            return f"{value:.{0 if value >= 100 else 1}f}{suffix}"
    return f"{value:.0e}"


def times(ratio):
    return "-" if ratio is None else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"


def header(peer):
    return (COLUMNS.format("min/median/max", "", "Holdfast", peer, "limit", "/peer", "/limit"))
