"""Runs the conformance suite for each tracker that needs no server, and for MLflow's where one is named."""
import csv
import json
import os
import struct
import tempfile
import unittest
import urllib.parse
import urllib.request

from tracker_conformance import Recorded, TrackerConformance

from trainyard import CsvTracker, FilesTracker, MlflowTracker, ResourcesTracker, TensorboardTracker, TrainyardTracker

MLFLOW_URI = os.environ.get("TRAINYARD_TEST_MLFLOW_URI", "")


class InDirectory(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root, self.made = scratch.name, 0

    def new_directory(self):
        self.made += 1
        self.directory = os.path.join(self.root, str(self.made))
        return self.directory


class Files(TrackerConformance, InDirectory):
    keeps_params = False
    keeps_negative_steps = False
    statuses = ("completed", "stopped", "failed", "cancelled")

    def make(self):
        return FilesTracker(self.new_directory(), "run")

    def read(self):
        values = []
        path = os.path.join(self.directory, "run_metrics.jsonl")
        for line in read_lines(path) if os.path.exists(path) else []:
            point = json.loads(line)
            step, _ = point.pop("step"), point.pop("timestamp")
            values += [(name, step, float(value)) for name, value in point.items()]
        status = json.loads(read_lines(os.path.join(self.directory, "run_status.json"))[0])["status"]
        return Recorded(sorted(values), status=status)


class Csv(TrackerConformance, InDirectory):
    keeps_params = False

    def make(self):
        return CsvTracker(os.path.join(self.new_directory(), "metrics.csv"))

    def read(self):
        path = os.path.join(self.directory, "metrics.csv")
        if not os.path.exists(path):
            return Recorded([])
        values = []
        for row in csv.DictReader(read_lines(path)):
            name = ("batch/" if row["of"] == "batch" else "") + row["name"] + ("/" + row["part"] if row["part"] else "")
            values.append((name, int(row["step"]), float(row["value"])))
        return Recorded(sorted(values))


class Tensorboard(TrackerConformance, InDirectory):
    """Its own reader reads what it needs of it; TensorBoard's reader does so in tests/."""

    keeps_params = False

    def make(self):
        return TensorboardTracker(self.new_directory())

    def read(self):
        values = []
        for name in os.listdir(self.directory):
            with open(os.path.join(self.directory, name), "rb") as file:
                data = file.read()
            while data:
                length = struct.unpack_from("<Q", data)[0]
                event = fields_of(data[12 : 12 + length])
                data = data[16 + length :]
                step = event.get(2, [0])[0]
                for summary in event.get(5, []):
                    for value in map(fields_of, fields_of(summary).get(1, [])):
                        if 2 in value:
                            number = struct.unpack("<f", value[2][0])[0]
                            values.append((value[1][0].decode(), step - (step >> 63 << 64), number))
        return Recorded(sorted(values))


def fields_of(message):
    """Fields of a message of Protocol Buffers by their numbers."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            value = varint()
        else:
            size = {1: 8, 5: 4}.get(kind) or varint()
            value, at = message[at : at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


@unittest.skipIf(MLFLOW_URI == "", "no server is named by TRAINYARD_TEST_MLFLOW_URI")
class Mlflow(TrackerConformance, unittest.TestCase):
    statuses = ("FINISHED", "FINISHED", "FAILED", "KILLED")

    def make(self):
        self.tracker = MlflowTracker(MLFLOW_URI, f"conformance {self.id()}", env=os.environ)
        return self.tracker

    def read(self):
        run_id = self.tracker.run_id
        run = self.get("runs/get", run_id=run_id)["run"]
        values = []
        for metric in run["data"].get("metrics", []):
            history = self.get("metrics/get-history", run_id=run_id, metric_key=metric["key"], max_results=25000)
            for point in history["metrics"]:
                values.append((point["key"], int(point.get("step", 0)), as_float(point["value"])))
        params = {param["key"]: param["value"] for param in run["data"].get("params", [])}
        return Recorded(sorted(values), params, run["info"]["status"])

    def get(self, path, **query):
        url = f"{MLFLOW_URI}/api/2.0/mlflow/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)


def as_float(value):
    """MLflow keeps infinities as the largest number."""
    number = float(value)
    return number if abs(number) < 1.7e308 else number * 10


@unittest.skipIf(MLFLOW_URI == "", "no server is named by TRAINYARD_TEST_MLFLOW_URI")
class OverHttp(Mlflow, InDirectory):
    """Through a journal on disk."""

    def make(self):
        self.tracker = TrainyardTracker(
            MLFLOW_URI, f"journal {self.id()}", directory=self.new_directory(), close_seconds=60
        )
        return self.tracker

    def read(self):
        size, run_id = self.tracker.journal.sent()
        self.assertEqual(size, os.path.getsize(self.tracker.journal.path))
        self.tracker.run_id = run_id
        return super().read()


class Resources(TrackerConformance, InDirectory):
    """It measures by itself: what the program records is of no concern to it."""

    keeps_values = False
    keeps_params = False

    def make(self):
        return ResourcesTracker(self.new_directory(), interval_seconds=60)

    def read(self):
        with open(os.path.join(self.directory, "summary.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["run"]["level"], "run")
        return Recorded([])


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


if __name__ == "__main__":
    unittest.main()
