"""How busy the machine is: samples, what is made of them, and what is written."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from xml.etree import ElementTree

from trainyard import Pipeline, ResourcesTracker
from trainyard.resources import GpuSample, Sample, Thresholds, find_bottlenecks
from trainyard.resources.machine import Machine

MEMORY = "MemTotal: 1000 kB\nMemAvailable: 250 kB\n"
SMI = """#!/bin/sh
echo "$@" >> {directory}/asked
echo "0, 97, 4096, 8192, 61, 120.5"
echo "1, [N/A], 0, 8192, [N/A], [N/A]"
"""


def sample(cpu=10.0, memory=10.0, gpu=None):
    gpus = [] if gpu is None else [GpuSample(0, gpu, 10.0, 800.0, 50.0, 100.0)]
    return Sample(0, cpu, memory, 1.0, 1.0, gpus)


class InDirectory(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.directory, name)) as file:
            return file.read()


class Machines(InDirectory):
    def test_are_read_from_what_linux_tells(self):
        self.write("stat", "cpu 100 0 100 800 0 0 0 0 0 0\n")
        self.write("meminfo", MEMORY)
        self.write("loadavg", "1.50 1.00 0.50 2/345 678\n")
        self.write("diskstats", "8 0 sda 1 0 2048 0 1 0 4096 0\n8 1 sda1 1 0 2048 0 1 0 4096 0\n7 0 loop0 1 0 9 0 1 0 9 0\n")
        self.write("net/dev", "head |\n head |\n lo: 9 0 0 0 0 0 0 0 9 0\n eth0: 0 0 0 0 0 0 0 0 0 0\n")
        machine = Machine(is_lightweight=False, proc=self.directory, nvidia_smi="/nowhere/nvidia-smi")
        self.write("stat", "cpu 130 0 120 820 30 0 0 0 0 0\n")
        self.write("diskstats", "8 0 sda 1 0 999999 0 1 0 4096 0\n8 1 sda1 1 0 9999999 0 1 0 4096 0\n")
        self.write("net/dev", "head |\n head |\n lo: 9999999 0 0 0 0 0 0 0 9 0\n eth0: 0 0 0 0 0 0 0 0 0 0\n")
        found = machine.sample()
        self.assertEqual((found.cpu_percent, found.memory_percent), (50.0, 75.0))
        self.assertEqual((found.load, found.processes), (1.5, 345))
        self.assertGreater(found.disk_read_mb_per_second, 0)
        self.assertEqual((found.disk_write_mb_per_second, found.network_in_mb_per_second), (0, 0))
        self.assertEqual(found.gpus, ())

    def test_that_are_not_linux_tell_nothing(self):
        found = Machine(proc=os.path.join(self.directory, "nowhere"), nvidia_smi="/nowhere").sample()
        self.assertEqual(list(found.to_json()), ["time_ms", "gpus"])

    def test_have_gpus_as_nvidia_smi_tells(self):
        smi = self.write("nvidia-smi", SMI.format(directory=self.directory))
        os.chmod(smi, stat.S_IRWXU)
        found = Machine(nvidia_smi=smi).sample()
        self.assertEqual(found.gpus[0], GpuSample(0, 97.0, 50.0, 4096.0, 61.0, 120.5))
        self.assertEqual(found.gpus[1], GpuSample(1, None, 0.0, 0.0, None, None))
        self.assertIn("--query-gpu=index,utilization.gpu", self.read("asked"))
        self.assertEqual(found.numbers()["gpu/0/utilization_percent"], 97.0)

    @unittest.skipUnless(sys.platform == "linux", "reads /proc")
    def test_count_the_memory_of_processes_that_the_program_has_started(self):
        before = Machine().sample().program_memory_mb
        program = "x = bytearray(64 << 20); print('ready', flush=True); input()"
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            self.assertGreater(Machine().sample().program_memory_mb, before + 60)
            child.communicate(b"\n")


class Bottlenecks(unittest.TestCase):
    def test_need_ten_samples(self):
        self.assertEqual(find_bottlenecks([sample(cpu=99)] * 9), [])
        self.assertEqual([each.resource for each in find_bottlenecks([sample(cpu=99)] * 10)], ["cpu"])

    def test_are_parts_that_are_busy_half_of_the_time_the_worst_first(self):
        samples = [sample(cpu=91, memory=96)] * 6 + [sample(cpu=91, memory=10)] * 4
        found = find_bottlenecks(samples)
        self.assertEqual([(each.resource, each.score, each.severity) for each in found],
                         [("cpu", 1.0, "busy"), ("memory", 0.6, "critical")])
        self.assertEqual(find_bottlenecks([sample(cpu=89.9)] * 20), [])
        self.assertEqual(find_bottlenecks([sample(cpu=80)] * 20, Thresholds(cpu=70))[0].resource, "cpu")

    def test_tell_a_gpu_that_waits_for_data_from_one_that_is_well_used(self):
        self.assertEqual([each.resource for each in find_bottlenecks([sample(cpu=95, gpu=5)] * 20)], ["data", "cpu"])
        self.assertEqual([each.resource for each in find_bottlenecks([sample(gpu=99)] * 20)], ["gpu"])


class CountedMachine(Machine):
    taken = 0

    def sample(self):
        self.taken += 1
        return super().sample()


class Resources(InDirectory):
    class Works(Pipeline):
        """Two epochs, each busy for as long as some samples of the machine take."""

        def __init__(self, machine, samples=8, **options):
            super().__init__(**options)
            self.machine, self.samples = machine, samples

        def train(self):
            deadline = time.monotonic() + 20
            for n in range(2):
                with self.epoch(n):
                    enough = self.machine.taken + self.samples
                    while self.machine.taken < enough:
                        assert time.monotonic() < deadline

    def test_has_a_summary_of_the_run_and_of_each_epoch_and_a_plot(self):
        machine = CountedMachine(is_lightweight=False)
        tracker = ResourcesTracker(self.directory, interval_seconds=0.01, machine=machine)
        warnings = []
        self.Works(machine, trackers=[tracker], warn=warnings.append).run()
        self.assertEqual(warnings, [])
        summary = json.loads(self.read("summary.json"))
        self.assertEqual([each["index"] for each in summary["epochs"]], [0, 1])
        self.assertGreaterEqual(summary["run"]["samples"], 10)
        self.assertGreater(summary["run"]["mean"]["cpu_percent"], 0)
        self.assertGreaterEqual(summary["run"]["max"]["cpu_percent"], summary["run"]["mean"]["cpu_percent"])
        lines = [json.loads(line) for line in self.read("samples.jsonl").splitlines()]
        self.assertEqual(len(lines), summary["run"]["samples"])
        self.assertEqual(ElementTree.fromstring(self.read("plot.svg")).tag, "{http://www.w3.org/2000/svg}svg")

    def test_keeps_the_newest_samples_only(self):
        machine = CountedMachine()
        tracker = ResourcesTracker(self.directory, interval_seconds=0.005, max_samples=5, machine=machine)
        self.Works(machine, trackers=[tracker]).run()
        self.assertEqual(len(tracker.samples), 5)
        self.assertGreater(len(self.read("samples.jsonl").splitlines()), 5)

    def test_that_cannot_write_is_told_of_and_ends_no_training(self):
        warnings = []
        tracker = ResourcesTracker(self.write("file", ""), interval_seconds=60)
        outcome = self.Works(CountedMachine(), samples=0, trackers=[tracker], warn=warnings.append).run()
        self.assertEqual(outcome.status, "completed")
        self.assertTrue(any("resources" in warning for warning in warnings), warnings)


if __name__ == "__main__":
    unittest.main()
