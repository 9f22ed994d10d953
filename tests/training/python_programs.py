"""Carries programs out with the classes of `trainyard`: one JSON document a line in, what was told of it out."""
import io
import json
import os
import re
import signal
import sys
import tempfile
import time

from trainyard import (
    Callback,
    ConsoleTracker,
    EarlyStopping,
    FilesTracker,
    LearningRateMonitor,
    MetricsCsv,
    ModelCheckpoint,
    Pipeline,
    ProgressBar,
    SeededBatches,
    Tracker,
    latest_checkpoint,
)
from trainyard.number_text import number_text

HOOKS = {
    "onRunStart": "on_run_start",
    "onEpochStart": "on_epoch_start",
    "onBatchStart": "on_batch_start",
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
        if self.script["does"] == "stops the epoch":
            context.stop_epoch(f"{self.name} has had enough")
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


class Batches(SeededBatches):
    def __init__(self):
        super().__init__(10, 4, seed=1)

    def batches_of(self, epoch, first):
        self.epoch = epoch
        return super().batches_of(epoch, first)


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
        self.batch(step["n"], lambda: self.carry_out(step["steps"]), step=step.get("step"))

    def do_eachEpoch(self, step):
        def one(n):
            self.calls.append(f"epoch {n}")
            self.carry_out(step["steps"])

        self.each_epoch(step["count"], one)

    def do_eachBatch(self, step):
        fails_at, source = step.get("failsAt", {}), Batches()

        def one(items, index):
            if (fails_at.get("epoch"), fails_at.get("batch")) == (source.epoch, index):
                raise TypeError("killed")
            number = int("".join(map(str, items)))
            self.batch_metrics["train_loss"] = number
            self.epoch_metrics.add("val_loss", number, weight=len(items))

        self.each_batch(source, one)

    def do_add(self, step):
        scope, weight = getattr(self, step["of"] + "_metrics"), step.get("weight", 1)
        scope.add(step["name"], to_value(step["value"]), weight=weight)

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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def save(how):
    def write(path):
        if how == "directory":
            os.makedirs(os.path.join(path, "inner"))
            write_text(os.path.join(path, "inner", "weights"), "model")
            write_text(os.path.join(path, "ünd"), "more")
        elif how != "nothing":
            write_text(path, "model")
        if how == "throws":
            raise TypeError("the disk is full")

    return write


def write_text(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def model_checkpoint(directory, checkpoints):
    callback = ModelCheckpoint(
        save(checkpoints.get("save", "file")),
        os.path.join(directory, "checkpoints"),
        env={"TRAINYARD_ATTEMPT_DIR": directory},
        **options_of(checkpoints.get("options", {})),
    )
    callback.name = "model-checkpoint"
    return callback


def options_of(options):
    return {snake_case(name): value for name, value in options.items()}


def to_callback(each, terminal):
    if "earlyStopping" in each:
        return EarlyStopping(**options_of(each["earlyStopping"]))
    if "learningRateMonitor" in each:
        rates = iter(2.0**-n for n in range(1000))
        return LearningRateMonitor(lambda: next(rates), **each["learningRateMonitor"])
    if "progressBar" in each:
        return ProgressBar(stream=terminal, columns=80, **options_of(each["progressBar"]))
    return Scripted(each)


def shown_lines(terminal):
    lines = [line.split("\r\x1b[2K")[-1] for line in terminal.getvalue().rstrip().split("\n")]
    return [re.sub(r"\d+\.\d s", "T s", line) for line in lines]


def read_kept(directory):
    latest = latest_checkpoint(os.path.join(directory, "checkpoints"))
    recorded = []
    if os.path.exists(os.path.join(directory, "checkpoints.jsonl")):
        with open(os.path.join(directory, "checkpoints.jsonl"), encoding="utf-8") as file:
            recorded = [json.loads(line) for line in file]
    for line in recorded:
        line["name"] = os.path.basename(line.pop("path"))
    known = None
    if latest is not None:
        with open(f"{latest.path}.json", encoding="utf-8") as file:
            known = {**json.load(file), "name": os.path.basename(latest.path)}
        del known["callbacks"]
    return {"names": sorted(os.listdir(os.path.join(directory, "checkpoints"))), "latest": known, "recorded": recorded}


def resumed_from(directory, program):
    for name in program.get("damages", []):
        write_text(os.path.join(directory, "checkpoints", name), "damaged")
    return latest_checkpoint(os.path.join(directory, "checkpoints")) if program.get("resumes") else None


def tell(program, directory):
    if "before" in program:
        tell(program["before"], directory)
    calls, warnings, lines = [], [], []
    writes, terminal = program.get("writes", False), Terminal()
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
            *(to_callback(each, terminal) for each in program.get("callbacks", [])),
            *([MetricsCsv(os.path.join(directory, "metrics.log"))] if writes else []),
            *([model_checkpoint(directory, program["checkpoints"])] if "checkpoints" in program else []),
        ],
        resume_from=resumed_from(directory, program),
        record_batches_every=program.get("recordBatchesEvery", 1),
        env={},
        warn=lambda message: warnings.append(message.replace(directory, "DIR")),
    )
    try:
        outcome = training.run()
        told = {"status": outcome.status, "result": outcome.result, "reason": outcome.reason}
    except BaseException as error:
        told = {"error": error_text(error).replace(directory, "DIR")}
    return {
        "calls": calls,
        "warnings": warnings,
        "outcome": told,
        **({"written": read_written(directory, lines)} if writes else {}),
        **({"kept": read_kept(directory)} if "checkpoints" in program else {}),
        **({"shown": shown_lines(terminal)} if terminal.getvalue() else {}),
    }


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
