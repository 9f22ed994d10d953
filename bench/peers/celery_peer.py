"""Celery's canvas on Redis: this process sends, a worker of two processes works.

python bench/peers/celery_peer.py TASK
"""

import os
import struct
import subprocess
import sys
import time

from celery import Celery, chain, chord

WORKERS = 2
PREFETCH = 64
LONGEST_S = 600
INSTANT = struct.Struct("d")

if __name__ == "__main__":
    from rounds import levels_of, measure_rounds, read_task

    task = read_task()
    os.environ["BENCH_REDIS"] = task["redis"]
    os.environ["BENCH_BEGUN"] = os.path.join(task["directory"], "begun")

BEGUN = os.environ["BENCH_BEGUN"]
app = Celery(
    "celery_peer",
    broker=f"redis+socket://{os.environ['BENCH_REDIS']}",
    backend=f"redis+socket://{os.environ['BENCH_REDIS']}",
)
# Acknowledged when it is done, so that a killed worker loses nothing, as the others here.
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=PREFETCH, broker_connection_retry_on_startup=True
)


@app.task(name="leaf")
def leaf():
    return None


@app.task(name="hop")
def hop():
    with open(BEGUN, "ab", buffering=0) as file:
        file.write(INSTANT.pack(time.monotonic()))


@app.task(name="join")
def join():
    return None


def run_chain(hops):
    open(BEGUN, "wb").close()
    chain(hop.si() for _ in range(hops)).apply_async().get(timeout=LONGEST_S)
    with open(BEGUN, "rb") as file:
        return [instant for (instant,) in INSTANT.iter_unpack(file.read())]


def run_wide(count):
    chord(leaf.si() for _ in range(count))(join.si()).get(timeout=LONGEST_S)


def run_montage(nodes):
    """A canvas has no edges between tasks: each level is a chord, whose join begins the next."""
    for level in levels_of(nodes):
        run_wide(len(level))


def main():
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_peer", "worker", "--pool=prefork"]
        + [f"--concurrency={WORKERS}", "--loglevel=ERROR", "--without-gossip", "--without-mingle"],
        cwd=os.path.dirname(os.path.abspath(__file__)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        measure_rounds({"chain": run_chain, "wide": run_wide, "montage": run_montage}, task)
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
