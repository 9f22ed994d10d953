"""Event files: bytes as their specifications have them. TensorBoard's own reader reads them in tests/."""
import math
import os
import struct
import tempfile
import unittest

from trainyard import Pipeline, TensorboardTracker
from trainyard.tensorboard import protobuf as field
from trainyard.tensorboard.event_file import EventFile
from trainyard.tensorboard.histogram import histogram_of
from trainyard.tensorboard.record import crc32c, framed_record


class Records(unittest.TestCase):
    def test_have_the_checksums_of_rfc_3720(self):
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)
        self.assertEqual(crc32c(b"\xff" * 32), 0x62A8AB43)
        self.assertEqual(crc32c(bytes(range(32))), 0x46DD794E)

    def test_frame_data_with_its_length(self):
        record = framed_record(b"abc")
        self.assertEqual((struct.unpack_from("<Q", record)[0], record[12:15], len(record)), (3, b"abc", 19))


class Fields(unittest.TestCase):
    def test_are_as_the_wire_format_has_them(self):
        self.assertEqual(field.integer(1, 150), b"\x08\x96\x01")
        self.assertEqual(field.integer(2, -1), b"\x10" + b"\xff" * 9 + b"\x01")
        self.assertEqual(field.text(2, "testing"), b"\x12\x07testing")
        self.assertEqual(field.single(2, 1e300), field.single(2, math.inf))


class Histograms(unittest.TestCase):
    def test_count_each_finite_value_once_and_never_beyond_the_largest(self):
        for values in ([0.1] * 3, [-1e308, 1e308], [1e308, 1.0000000001e308], [5e-324, 0], list(range(1000))):
            histogram = histogram_of([*values, math.nan, -math.inf])
            self.assertEqual(sum(histogram.counts), len(values))
            self.assertEqual(histogram.limits[-1], max(values))
            self.assertEqual(list(histogram.limits), sorted(histogram.limits))


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name

    def test_of_a_resumed_run_come_behind_those_that_are_there(self):
        names = []
        for _ in range(3):
            file = EventFile(self.directory, 1_700_000_000_000)
            file.close()
            names.append(os.path.basename(file.path))
        self.assertEqual(names, sorted(names))
        self.assertEqual(len(set(names)), 3)

    def test_take_pictures_that_are_png_only_and_warn_of_a_disk_that_takes_nothing(self):
        warnings = []
        blocked = os.path.join(self.directory, "file")
        open(blocked, "w").close()
        tracker = TensorboardTracker(blocked, warn=warnings.append)
        with self.assertRaisesRegex(TypeError, "The image is no PNG"):
            tracker.image("x", b"GIF89a", 0)

        class Draws(Pipeline):
            def train(self):
                tracker.text("x", "y", 0)
                return "done"

        outcome = Draws(trackers=[tracker], warn=warnings.append).run()
        self.assertEqual(outcome.result, "done")
        self.assertTrue(any(line.startswith("TensorBoard's file cannot be written: ") for line in warnings), warnings)
