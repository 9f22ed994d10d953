"""Carries programs out with the classes of `trainyard`: one JSON document a line in, what was told of it out."""
import json
import os
import re
import signal
import sys
import tempfile
import time

from trainyard import Callback, ConsoleTracker, EarlyStopping, FilesTracker, MetricsCsv, Pipeline, Tracker
from trainyard.number_text import number_text

HOOKS = {
    "onRunStart": "on_run_start",
    "onEpochStart": "on_epoch_start",
    "onBatchEnd": "on_batch_end",
    "onEpochEnd": "on_epoch_end",
    "onException": "on_exception",
    "onRunEnd": "on_run_end",
}


def error_text(error):
    return f"{type(error).__name__}: {error}"


def compact(value):
    """As JSON.stringify writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{compact(each)}" for key, each in value.items()) + "}"
    if isinstance(value, float):
        text = number_text(value)
        return "null" if "N" in text or "I" in text else text
    return json.dumps(value, separators=(",", ":"))


def name_of(level):
    return "run" if level.kind == "run" else f"{level.kind} {level.index}"


class RecordingTracker(Tracker):
    name = "recorder"

    def __init__(self, calls):
        self.calls = calls

    def on_start(self, level):
        self.calls.append(f"start {name_of(level)}")

    def log_params(self, params):
        self.calls.append(f"params {compact(params)}")

    def track(self, records):
        self.calls.append("track " + " ".join(map(self.text, records)))

    def on_end(self, level, end):
        self.calls.append(f"end {name_of(level)} {end.status}")

    def close(self):
        self.calls.append("close")

    @staticmethod
    def text(record):
        labels = "" if record.labels is None else compact(dict(record.labels))
        return f"{record.name}={number_text(record.value)}{labels}@{record.step}"


class RecordingCallback(Callback):
    """Trackers are called in threads. It waits for them, so that the order is that in which they were told."""

    name = "recorder"

    def __init__(self, note):
        self.note = note

    def on_run_start(self, context):
        self.note("onRunStart")

    def on_epoch_start(self, context):
        self.note(f"onEpochStart {context.level.index}")

    def on_batch_end(self, context):
        self.note(f"onBatchEnd {context.level.index} {context.end.status}")

    def on_epoch_end(self, context):
        names = ",".join(name for name, _ in context.metrics.items())
        self.note(f"onEpochEnd {context.level.index} {context.end.status} {names}")

    def on_exception(self, context, error):
        self.note(f"onException {error_text(error)}")

    def on_run_end(self, context):
        self.note(f"onRunEnd {context.end.status}")


class Scripted(Callback):
    def __init__(self, script):
        self.name = script["name"]
        self.is_last = script.get("isLast", False)
        self.script = script
        setattr(self, HOOKS[script["on"]], self.act)

    def act(self, context, *_):
        if self.script.get("n", context.level.index) != context.level.index:
            return None
        if self.script["does"] == "throws":
            raise TypeError(f"thrown by {self.name}")
        if self.script["does"] == "stops":
            context.stop(f"{self.name} has had enough")
        return self.script["does"] != "answers false"


class Tensor:
    def __init__(self, method, value):
        setattr(self, method, lambda: value)


def to_value(value):
    if isinstance(value, list):
        return [to_value(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "number" in value:
        return float(value["number"])
    if "tensor" in value:
        return Tensor(value["tensor"], to_value(value["value"]))
    return {label: to_value(part) for label, part in value["labels"].items()}


class Program(Pipeline):
    def __init__(self, steps, calls, **options):
        super().__init__(**options)
        self.steps = steps
        self.calls = calls

    def note(self, call):
        self._trackers.flush()
        self.calls.append(call)

    def train(self):
        return self.carry_out(self.steps)

    def carry_out(self, steps):
        for step in steps:
            if step["do"] == "return":
                return step["value"]
            getattr(self, "do_" + step["do"])(step)
        return None

    def do_epoch(self, step):
        with self.epoch(step["n"]):
            self.carry_out(step["steps"])

    def do_batch(self, step):
        # The other way to say it.
        self.batch(step["n"], lambda: self.carry_out(step["steps"]))

    def do_beginEpoch(self, step):
        self.begin_epoch(step["n"])

    def do_endEpoch(self, step):
        self.end_epoch()

    def do_set(self, step):
        getattr(self, step["of"] + "_metrics").set(step["name"], to_value(step["value"]))

    def do_track(self, step):
        self.track(step["name"], to_value(step["value"]), step=step.get("step"))

    def do_logParams(self, step):
        self.log_params(step["params"])

    def do_stop(self, step):
        self.stop(step["reason"])

    def do_stopEpoch(self, step):
        self.stop_epoch(step["reason"])

    def do_throw(self, step):
        raise TypeError(step["message"])

    def do_attempt(self, step):
        try:
            self.carry_out(step["steps"])
        except Exception as error:
            self.note(f"caught {error_text(error)}")

    def do_cancelled(self, step):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)


def snake_case(name):
    return re.sub("[A-Z]", lambda match: "_" + match.group().lower(), name)


def tell(program, directory):
    calls, warnings, lines = [], [], []
    writes = program.get("writes", False)
    training = Program(
        program["steps"],
        calls,
        params=program.get("params"),
        metrics=program.get("metrics"),
        trackers=[
            RecordingTracker(calls),
            *([FilesTracker(directory, "run"), ConsoleTracker(lines.append)] if writes else []),
        ],
        callbacks=[
            RecordingCallback(lambda call: training.note(call)),
            *(
                EarlyStopping(**{snake_case(name): value for name, value in each["earlyStopping"].items()})
                if "earlyStopping" in each
                else Scripted(each)
                for each in program.get("callbacks", [])
            ),
            *([MetricsCsv(os.path.join(directory, "metrics.log"))] if writes else []),
        ],
        warn=warnings.append,
    )
    try:
        outcome = training.run()
        told = {"status": outcome.status, "result": outcome.result, "reason": outcome.reason}
    except BaseException as error:
        told = {"error": error_text(error)}
    written = {"written": read_written(directory, lines)} if writes else {}
    return {"calls": calls, "warnings": warnings, "outcome": told, **written}


def read_written(directory, lines):
    def read(name):
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            return file.read()

    metrics = [json.loads(line) for line in read("run_metrics.jsonl").splitlines()]
    for line in metrics:
        assert isinstance(line.pop("timestamp"), float)
    return {
        "metrics": metrics,
        "status": json.loads(read("run_status.json")),
        "csv": read("metrics.log"),
        "console": [re.sub(r" after [\d.]+ s$", "", line) for line in lines],
    }


for document in sys.stdin:
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(tell(json.loads(document), scratch)), flush=True)
