"""Prefect's tasks in a flow; its API server runs beside it, on PostgreSQL. Results are kept in files.

python bench/peers/prefect_peer.py TASK
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from urllib.parse import quote

from rounds import measure_rounds, read_task

THREADS = 32
READY_S = 120

task_of_bench = read_task()
directory = task_of_bench["directory"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def database_url():
    at = task_of_bench["postgres"]
    return f"postgresql+asyncpg://{at['user']}@/{at['database']}?host={quote(at['host'], safe='')}&port={at['port']}"


port = free_port()
os.environ.update(
    PREFECT_HOME=os.path.join(directory, "prefect"),
    PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
    PREFECT_API_DATABASE_CONNECTION_URL=database_url(),
    PREFECT_LOCAL_STORAGE_PATH=os.path.join(directory, "results"),
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="ERROR",
    PREFECT_LOGGING_SERVER_LEVEL="ERROR",
    PREFECT_LOGGING_TO_API_ENABLED="false",
    DO_NOT_TRACK="1",
)


def start_server():
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        + ["--no-ui"],
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    end_at = time.monotonic() + READY_S
    while time.monotonic() < end_at and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5).close()
            return server
        except OSError:
            time.sleep(0.2)
    server.kill()
    raise SystemExit(f"the Prefect server did not answer within {READY_S} s")


def main():
    server = start_server()
    try:
        measure_rounds(make_runs(), task_of_bench)
    finally:
        server.terminate()
        server.wait()


def make_runs():
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.futures import wait
    from prefect.task_runners import ThreadPoolTaskRunner

    begun = []

    @task(persist_result=True, cache_policy=NO_CACHE)
    def leaf():
        begun.append(time.monotonic())

    runner = ThreadPoolTaskRunner(max_workers=THREADS)

    @flow
    def chain(hops):
        for _ in range(hops):
            leaf()

    @flow(task_runner=runner)
    def wide(count):
        leaf.submit(wait_for=[leaf.submit() for _ in range(count)]).wait()

    @flow(task_runner=runner)
    def montage(nodes):
        futures = {}
        for node in nodes:
            futures[node["name"]] = leaf.submit(wait_for=[futures[name] for name in node["dependsOn"]])
        wait(list(futures.values()))

    def run_chain(hops):
        begun.clear()
        chain(hops)
        return begun

    return {"chain": run_chain, "wide": wide, "montage": montage}


if __name__ == "__main__":
    main()
