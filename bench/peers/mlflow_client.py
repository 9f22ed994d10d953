"""Times what MLflow's own client does against the tracking server at the address given; one line of JSON at the end."""

import json
import sys
import time

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

url, runs, points, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
client = MlflowClient(url)
experiment = client.create_experiment(f"bench {time.time()}")
results = {}


def rate(name, count, function):
    begun = time.perf_counter()
    function()
    results[name] = count / (time.perf_counter() - begun)


def milliseconds(name, function, rounds=3):
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        function()
        taken.append((time.perf_counter() - begun) * 1000)
    results[name] = min(taken)


def log_points(run_id, count):
    for begin in range(0, count, 1000):
        batch = [Metric("loss", 1 / (i + 1), 1_000_000 + i, i) for i in range(begin, min(count, begin + 1000))]
        client.log_batch(run_id, metrics=batch)


run_id = client.create_run(experiment).info.run_id
log_points(run_id, 1000)
rate("create_run /s", calls, lambda: [client.create_run(experiment) for _ in range(calls)])
rate("log_metric /s", calls, lambda: [client.log_metric(run_id, "one", i, step=i) for i in range(calls)])
long_run = client.create_run(experiment).info.run_id
rate("log_batch points/s", points, lambda: log_points(long_run, points))
history = client.create_run(experiment).info.run_id
log_points(history, 25_000)
milliseconds("history of 25,000 points ms", lambda: len(client.get_metric_history(history, "loss")))

wide = client.create_experiment(f"bench wide {time.time()}")
for i in range(runs):
    each = client.create_run(wide).info.run_id
    metrics = [Metric(f"m{j}", (i * 7919 % runs) + j, 1, 1) for j in range(20)]
    client.log_batch(each, metrics=metrics, params=[Param(f"p{j}", f"{i} {j}") for j in range(20)])
milliseconds(
    "search, first 100 by a metric ms",
    lambda: client.search_runs([wide], "metrics.m1 > 5", order_by=["metrics.m3 DESC"], max_results=100),
)
milliseconds(
    "search, first 1000 by a metric ms",
    lambda: client.search_runs([wide], order_by=["metrics.m3 DESC"], max_results=1000),
)
print(json.dumps({"results": results, "long_run": long_run, "history": history, "wide": wide, "experiment": experiment}))
