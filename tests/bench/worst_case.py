"""How far the worst case stands above what recorded calls cost: python tests/bench/worst_case.py.

Over ../shared/recorded, by what the requests hold. A ratio is worst case / cost, the caller's cap taken as it was.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.spending.recorded_bounds import Judged, judged_records  # noqa: E402


def line(name: str, ratios: list[float]) -> str:
    ratios.sort()
    at = [ratios[min(len(ratios) - 1, int(len(ratios) * part))] for part in (0.1, 0.5, 0.9, 0.99)]
    return f"{name:<22}{len(ratios):>6}" + "".join(f"{each:>12.1f}" for each in (*at, ratios[-1]))


def main() -> None:
    judged = [one for one in judged_records() if not one.refused]
    out = sys.stdout.write
    for title, of in (("cost", Judged.cost_ratio), ("input tokens", Judged.input_ratio)):
        out(f"{title:<22}{'calls':>6}{'p10':>12}{'p50':>12}{'p90':>12}{'p99':>12}{'max':>12}\n")
        for kind in ("text", "text, capped", "tools", "images", "referenced", "embeddings"):
            ratios = [ratio for one in judged if one.kind == kind and (ratio := of(one)) is not None]
            if ratios:
                out(line(kind, ratios) + "\n")
    out("refused under a limit\n")
    refused = Counter(reason for one in judged_records() for reason in one.refused[:1])
    for reason, count in refused.most_common():
        out(f"{count:>6}  {reason}\n")


if __name__ == "__main__":
    main()
