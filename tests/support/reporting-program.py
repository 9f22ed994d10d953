"""A training program that reports by itself, with the token of its job: logs, metrics, predictions, its end.

It takes changed params from the server, waits in the middle until the file `go` is there, and sends everything
again that it got no answer for, with its number, so that nothing is stored twice.
"""
import json
import os
import time
import urllib.error
import urllib.request

JOB = f"{os.environ['TRAINYARD_URL']}/api/training/local/{os.environ['TRAINYARD_RUN_ID']}"
HEADERS = {
    "Authorization": f"Bearer {os.environ['TRAINYARD_JOB_TOKEN']}",
    "Content-Type": "application/json",
}
STEPS = 20


def call(method, what, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{JOB}/{what}", data=data, headers=HEADERS, method=method)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise RuntimeError(f"{method} {what}: {error.code} {error.read().decode()}") from error
        except OSError:
            pass  # The server is away: once more.
        time.sleep(0.1)


call("PATCH", "status", {"status": "running"})
learning_rate = json.load(open(os.environ["TRAINYARD_PARAMS"]))["learning_rate"]
seen = 0
for step in range(STEPS):
    if step == STEPS // 2:
        open("half", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.02)
    print(f"printed {step}", flush=True)
    call("POST", "logs", {"logs": [f"told {step}"], "sequence": step})
    point = {"step": step, "epoch": 0, "train_loss": 1 / (step + 1), "learning_rate": learning_rate}
    call("PUT", "metrics", {**point, "sequence": step})
    changed = call("GET", "params")
    if changed["revision"] > seen:
        seen = changed["revision"]
        learning_rate = changed["params"]["learning_rate"]
        call("POST", "params", {"revision": seen, "accepted": changed["params"], "step": step})
call("POST", "predictions", {"predictions": [{"step": STEPS, "prompt": "Hi", "prediction": "Ho"}], "sequence": 0})
call("PATCH", "status", {"status": "failed", "error": "the loss is too good to be true"})
