"""Dask's threaded scheduler on one graph; reads {"nodes": [[name, [names before]]]}, prints one line of JSON."""

import json
import sys
import time

from dask.threaded import get


def noop(*_):
    return None


nodes = json.load(sys.stdin)["nodes"]
graph = {name: (noop, *before) for name, before in nodes}
has_dependents = {name for _, before in nodes for name in before}
ends = [name for name, _ in nodes if name not in has_dependents]

wall, cpu = [], []
end_at = time.process_time() + 1.0
while not wall or (len(wall) < 10 and time.process_time() < end_at):
    wall_before, cpu_before = time.perf_counter(), time.process_time()
    get(graph, ends)
    wall.append(1000 * (time.perf_counter() - wall_before))
    cpu.append(1000 * (time.process_time() - cpu_before))
middle = (len(wall) - 1) // 2
print(json.dumps({"wallMs": sorted(wall)[middle], "cpuMs": sum(cpu) / len(cpu)}))
