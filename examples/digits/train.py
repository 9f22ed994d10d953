"""Trains one configuration of the network in plain Python; the counterpart of train.ts.

Reads the same parameters and dataset, writes the same metrics files and checkpoints. Only the standard
library is used, so that it runs wherever python3 (3.9 or newer) does.
"""

import contextlib
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import time

from digits_network import DIGIT_CLASSES, Network

# name: (default, smallest, largest, type)
PARAMETERS = {
    "epochs": (6, 1, 1000, int),
    "batchSize": (32, 1, 10_000, int),
    "hidden": (32, 1, 4096, int),
    "learningRate": (0.05, 0, 1e6, float),
    "learningRateDecay": (0.85, 0.01, 1, float),
    "momentum": (0.9, 0, 0.999, float),
    "maxShift": (0, 0, 4, int),
    "seed": (1, 0, 2**32 - 1, int),
    "logEvery": (10, 1, 1_000_000, int),
}


class JobError(Exception):
    """A failure that the person who started the job can mend; shown without a traceback."""


def main():
    metrics = None
    try:
        # Cancelling sends SIGTERM; the exception leaves the training loop at once, and the status is written.
        signal.signal(signal.SIGTERM, stop_on_signal)
        flags = read_flags(sys.argv[1:])
        params = {**read_json(os.environ.get("TRAINYARD_PARAMS")), **flags}
        settings = read_parameters(params)
        name = f"train-{params.get('name', 'model')}"
        out = params.get("out", "out")
        directory = os.path.abspath(os.environ.get("TRAINYARD_ATTEMPT_DIR") or os.path.join(out, name))
        checkpoints_directory = os.path.join(directory, "checkpoints")
        os.makedirs(checkpoints_directory, exist_ok=True)
        if "TRAINYARD_ATTEMPT_DIR" not in os.environ:
            forget_earlier_reports(directory)
        metrics = Metrics(
            os.environ.get("PLATFORM_METRICS_DIR") or os.path.join(directory, "metrics"),
            os.environ.get("TRAINYARD_RUN_ID") or name,
        )
        dataset = params.get("dataset") or os.path.join(out, "preprocess-model", "digits.jsonl")
        train, validation, rows = read_digits(dataset)
        with open(os.path.join(directory, "datasets.jsonl"), "a", encoding="utf-8") as file:
            record = {"name": "digits", "path": os.path.abspath(dataset), "role": "input", "rows": rows}
            file.write(json.dumps(record) + "\n")
        outputs = train_epochs(settings, train, validation, metrics, checkpoints_directory)
        write_whole(os.environ.get("TRAINYARD_OUTPUTS") or os.path.join(directory, "outputs.json"), outputs)
        metrics.close("completed")
    except JobError as error:
        if metrics:
            metrics.close("failed")
        print(f"train: {error}", file=sys.stderr)
        sys.exit(1)
    except BaseException:
        if metrics:
            metrics.close("failed")
        raise


def forget_earlier_reports(directory):
    """Alone, a program may run twice into one folder; the steps of both must not mix."""
    shutil.rmtree(os.path.join(directory, "metrics"), ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(directory, "datasets.jsonl"))


def stop_on_signal(_signal, _frame):
    # Not print(): the signal may have come in the middle of one.
    os.write(1, b"SIGTERM received, stopping\n")
    raise SystemExit(143)  # 128 + SIGTERM, as a shell reports it


def train_epochs(settings, train, validation, metrics, directory):
    """Trains all epochs, keeps a checkpoint of each, and answers the outputs of the stage."""
    generator = random.Random(settings["seed"])
    inputs, hidden, batch_size = len(train[0][2]), settings["hidden"], settings["batchSize"]
    log(
        f"{len(train)} digits to train on, {len(validation)} to validate; "
        f"{inputs} -> {hidden} -> {DIGIT_CLASSES}, learning rate {settings['learningRate']}"
    )
    network = Network(inputs, hidden, generator)
    steps_per_epoch = math.ceil(len(train) / batch_size)
    metrics.start(settings["epochs"] * steps_per_epoch)
    checkpoints = []
    for epoch in range(settings["epochs"]):
        learning_rate = settings["learningRate"] * settings["learningRateDecay"] ** epoch
        meter = Meter(metrics, epoch, learning_rate)
        generator.shuffle(train)
        for batch in range(steps_per_epoch):
            samples = train[batch * batch_size : (batch + 1) * batch_size]
            if settings["maxShift"]:
                samples = [shift(sample, settings["maxShift"], generator) for sample in samples]
            loss, correct = network.train_batch(samples, learning_rate, settings["momentum"])
            step = epoch * steps_per_epoch + batch
            meter.add(step, loss, correct, len(samples))
            # The last step of an epoch is written below, together with the validation.
            if step % settings["logEvery"] == 0 and batch < steps_per_epoch - 1:
                meter.write(step)
        accuracy, loss = network.evaluate(validation)
        meter.refuse_divergence((epoch + 1) * steps_per_epoch - 1, loss)
        path = os.path.join(directory, f"epoch-{epoch + 1:03}.json")
        write_whole(path, network.to_checkpoint(epoch))
        checkpoints.append({"path": path, "epoch": epoch, "accuracy": accuracy, "loss": loss})
        meter.write((epoch + 1) * steps_per_epoch - 1, {"accuracy": accuracy, "loss": loss})
        log(
            f"epoch {epoch + 1}/{settings['epochs']}  loss {meter.epoch_loss():.4f}  "
            f"validation accuracy {accuracy:.4f}  {time.monotonic() - meter.started:.1f} s"
        )
    # Of equals the later one: it has seen more data.
    best = max(checkpoints, key=lambda each: (each["accuracy"], each["epoch"]))
    log(f"best epoch {best['epoch'] + 1}: validation accuracy {best['accuracy']:.4f}")
    return {
        "checkpoint": best["path"],
        "accuracy": best["accuracy"],
        "loss": best["loss"],
        "hidden": hidden,
        "learningRate": settings["learningRate"],
        "checkpoints": checkpoints,
    }


class Meter:
    """Gathers what the batches of an epoch report, and writes metric lines from it."""

    def __init__(self, metrics, epoch, learning_rate):
        self.metrics, self.epoch, self.learning_rate = metrics, epoch, learning_rate
        self.started = self.since = self.newest = time.monotonic()
        self.all_loss, self.all_samples = 0.0, 0
        self.loss, self.correct, self.samples, self.steps = 0.0, 0, 0, 0

    def add(self, step, loss, correct, samples):
        self.refuse_divergence(step, loss)
        self.all_loss += loss
        self.all_samples += samples
        self.loss += loss
        self.correct += correct
        self.samples += samples
        self.steps += 1
        self.newest = time.monotonic()

    def refuse_divergence(self, step, loss):
        """Raises JobError when the loss is no number: nothing that follows could be learned from."""
        if not math.isfinite(loss):
            reason = f"the loss is {loss} at step {step}; a smaller learningRate (now {self.learning_rate}) may help"
            self.metrics.report_anomaly(reason)
            raise JobError(reason)

    def write(self, step, evaluation=None):
        """Writes means since the line before, and after an epoch the results on validation data."""
        seconds = max(self.newest - self.since, 1e-6)
        loss = self.loss / self.samples
        speed = {"step_time": seconds / self.steps, "samples_per_second": self.samples / seconds}
        raw = {
            "train_loss": loss,
            "train_accuracy": self.correct / self.samples,
            "learning_rate": self.learning_rate,
        }
        line = {"step": step, "timestamp": time.time(), "epoch": self.epoch, "loss": {"total_loss": loss}}
        line["performance"] = speed
        if evaluation:
            line["evaluation"] = evaluation
            raw.update(val_accuracy=evaluation["accuracy"], val_loss=evaluation["loss"])
        self.metrics.append({**line, "raw": raw})
        self.loss, self.correct, self.samples, self.steps = 0.0, 0, 0, 0
        self.since = time.monotonic()

    def epoch_loss(self):
        return self.all_loss / self.all_samples


class Metrics:
    """Writes {id}_metrics.jsonl (appended) and {id}_status.json (replaced whole)."""

    def __init__(self, directory, job_id):
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, f"{job_id}_metrics.jsonl")
        self.status_path = os.path.join(directory, f"{job_id}_status.json")
        self.job_id, self.total_steps = job_id, 0
        self.latest = self.anomaly = None
        self.closed = False

    def start(self, total_steps):
        self.total_steps = total_steps
        self.write_status("running")

    def append(self, line):
        self.latest = line
        # Opened for each line, and written in one call: a reader that follows the file sees whole lines.
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.write_status("running")

    def report_anomaly(self, reason):
        self.anomaly = reason
        self.write_status("running")

    def close(self, status):
        if not self.closed:
            self.closed = True
            self.write_status(status)

    def write_status(self, status):
        document = {
            "job_id": self.job_id,
            "status": status,
            "current_step": self.latest["step"] if self.latest else 0,
            "total_steps": self.total_steps,
            "anomaly_detected": self.anomaly is not None,
            "anomaly_reason": self.anomaly,
            "latest_metrics": self.latest,
        }
        write_whole(self.status_path, document)


def read_digits(path):
    """Answers training and validation samples as (label, [(pixel index, value)…], pixels), and all rows."""
    splits, rows = {"train": [], "validation": [], "test": []}, 0
    try:
        with open(path, encoding="utf-8") as file:
            for rows, line in enumerate(file, 1):
                row = json.loads(line)
                pixels = row["pixels"]
                bright = [(index, float(value)) for index, value in enumerate(pixels) if value]
                splits[row["split"]].append((row["label"], bright, pixels))
    except OSError as error:
        raise JobError(f"cannot read the dataset {path}; run preprocess.ts first or pass its path as dataset") from error
    except (ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}:{rows}: not a digit row ({error})") from error
    for split in ("train", "validation"):
        if not splits[split]:
            raise JobError(f'the dataset {path} has no rows of split "{split}"')
    return splits["train"], splits["validation"], rows


def shift(sample, max_shift, generator):
    """The digit moved by up to `max_shift` pixels; what leaves the image becomes background."""
    label, bright, pixels = sample
    edge = math.isqrt(len(pixels))
    right = generator.randint(-max_shift, max_shift)
    down = generator.randint(-max_shift, max_shift)
    moved = [
        (index + down * edge + right, value)
        for index, value in bright
        if 0 <= index % edge + right < edge and 0 <= index // edge + down < edge
    ]
    return label, moved, pixels


def read_flags(arguments):
    """Reads `--learning-rate 0.1` as {"learningRate": 0.1}; values may be JSON."""
    known, flags = [*PARAMETERS, "dataset", "name", "out"], {}
    for flag, value in zip(arguments[::2], [*arguments[1::2], None]):
        name = re.sub(r"-(\w)", lambda match: match[1].upper(), flag[2:])
        if not flag.startswith("--") or name not in known:
            raise JobError(f"unknown argument {flag}; known are {', '.join(known)}")
        if value is None:
            raise JobError(f"argument {flag} needs a value")
        try:
            flags[name] = json.loads(value)
        except ValueError:
            flags[name] = value
    return flags


def read_parameters(values):
    """Applies defaults and ranges; values that are not named here belong to other stages."""
    settings = {}
    for name, (default, smallest, largest, kind) in PARAMETERS.items():
        value = values.get(name)
        value = default if value is None else value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not smallest <= value <= largest or value != kind(value):
            word = "whole number" if kind is int else "number"
            raise JobError(f"parameter {name} is {json.dumps(value)}; expected a {word} from {smallest} to {largest}")
        settings[name] = kind(value)
    return settings


def read_json(path):
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_whole(path, document):
    """Renames into place, so that a reader never sees half a document."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(json.dumps(document) + "\n")
    os.replace(path + ".part", path)


def log(line):
    print(line, flush=True)


if __name__ == "__main__":
    main()
