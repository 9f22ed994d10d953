"""The rounds of rounds.ts, for the peers in Python."""

import json
import statistics
import sys
import time


def read_task():
    with open(sys.argv[1], encoding="utf-8") as file:
        return json.load(file)


def levels_of(nodes):
    """Number of levels before each node decides; a list of lists of nodes."""
    level_by_name, levels = {}, []
    for node in nodes:
        level = max((level_by_name[name] for name in node["dependsOn"]), default=-1) + 1
        level_by_name[node["name"]] = level
        if level == len(levels):
            levels.append([])
        levels[level].append(node)
    return levels


def measure_rounds(runs, task):
    """Warms up, then measures all rows in rounds until the rounds or the time are used up.

    runs: `chain(hops)` answers the instants in seconds at which the bodies began; `wide(count)` and
    `montage(nodes)` return when the end is recorded.
    """
    end_at = time.monotonic() + task["budgetMs"] / 1000
    warm_up, started_at = task["warmUp"], time.monotonic()
    runs["chain"](warm_up["hops"])
    hop_ms = 1000 * (time.monotonic() - started_at) / warm_up["hops"]
    hops = max(warm_up["hops"], min(task["hops"], int(task["budgetMs"] / 4 / hop_ms)))
    runs["wide"](warm_up["width"])
    first, *larger = task["widths"]
    nodes = task["montage"]
    rows = [
        ("chain", hops, lambda: runs["chain"](hops)),
        (f"wide {first}", first + 1, lambda: runs["wide"](first)),
        ("montage", len(nodes), lambda: runs["montage"](nodes)),
        *((f"wide {count}", count + 1, lambda count=count: runs["wide"](count)) for count in larger),
    ]
    costs = {}
    for _ in range(task["rounds"]):
        for row, count, run in rows:
            kind = row.split(" ")[0]
            if time.monotonic() + costs.get(row, costs.get(kind, 0)) * count > end_at:
                continue
            started_at = time.monotonic()
            begun = run()
            seconds = time.monotonic() - started_at
            costs[row] = costs[kind] = seconds / count
            print(json.dumps({"row": row, "value": value_of(kind, count, seconds, begun)}), flush=True)


def value_of(kind, count, seconds, begun):
    if kind == "chain":
        return 1000 * statistics.median_low(later - earlier for earlier, later in zip(begun, begun[1:]))
    return count / seconds if kind == "wide" else 1000 * seconds / count
