"""A worker of the older pull mode, written against its HTTP routes only: standard library, nothing of ours."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

URL = os.environ["BACKEND_URL"]
KEY = os.environ.get("API_KEY", "")
AGENT = os.environ["AGENT_ID"]


def call(method, path, body=None, token=None):
    """Tries until the backend answers: it may be away for a while. Refusals are raised."""
    data = None if body is None else json.dumps(body).encode()
    while True:
        request = urllib.request.Request(URL + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("X-Agent-ID", AGENT)
        if token:
            request.add_header("Authorization", "Bearer " + token)
        elif KEY:
            request.add_header("X-API-KEY", KEY)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise
        except OSError:
            pass
        time.sleep(0.1)


class Job:
    """Runs one claimed job and reports what it does."""

    def __init__(self, job, token):
        self.id = job["job_id"]
        self.job = job
        self.token = token
        self.lines = 0
        self.points = 0
        self.process = None
        self.cancelled = False

    def report(self, method, what, body):
        return call(method, f"/api/training/local/{self.id}/{what}", body, self.token)

    def log(self, lines):
        self.report("POST", "logs", {"logs": lines, "sequence": self.lines})
        self.lines += len(lines)

    def metric(self, point):
        self.report("PUT", "metrics", {**point, "sequence": self.points})
        self.points += 1

    def run(self):
        self.report("PATCH", "status", {"status": "running"})
        command = self.job["command"]
        env = {**os.environ, **self.job["env"], "CONFIG": json.dumps(self.job["config"])}
        self.process = subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=self.job["working_dir"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("METRIC "):
                self.metric(json.loads(line[len("METRIC "):]))
            else:
                self.log([line.rstrip("\n")])
        code = self.process.wait()
        if self.cancelled:
            self.report("PATCH", "status", {"status": "cancelled"})
        elif code == 0:
            self.report("PATCH", "status", {"status": "completed"})
        else:
            self.report("PATCH", "status", {"status": "failed", "error": f"exit code {code}"})
        self.log(["the worker is done"])

    def cancel(self):
        self.cancelled = True
        if self.process is not None:
            self.process.terminate()


def heartbeats(job, interval):
    while True:
        answer = call(
            "POST",
            f"/api/workers/{AGENT}/heartbeat",
            {"status": "busy", "current_load": 1, "active_jobs": [job.id]},
        )
        if any(command["command"] in ("cancel", "discard") for command in answer["pending_commands"]):
            job.cancel()
            return
        time.sleep(interval)


def main():
    registered = call("POST", "/api/workers/register", {"agent_id": AGENT, "hostname": "test", "version": "1.0"})
    assert registered["worker_id"] == AGENT
    print("registered", flush=True)
    left = int(sys.argv[1])
    while left > 0:
        polled = call("GET", "/api/training/agent/poll")["job"]
        if polled is None:
            time.sleep(0.1)
            continue
        try:
            claimed = call("POST", f"/api/training/agent/claim/{polled['job_id']}", {})
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise
            continue
        job = Job(claimed["job"], claimed["job_token"])
        threading.Thread(target=heartbeats, args=(job, 0.3), daemon=True).start()
        job.run()
        left -= 1
    print("done", flush=True)


main()
