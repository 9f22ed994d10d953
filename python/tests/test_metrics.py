"""Values of libraries, and numbers as text."""
import array
import decimal
import fractions
import math
import struct
import unittest

from trainyard import NotAMetric, UnknownMetric
from trainyard.catalogue import MetricCatalogue
from trainyard.metric_value import to_metric_number
from trainyard.number_text import number_text


def read(value, **kind):
    number = to_metric_number("m", value, kind)
    return number.total, None if number.labels is None else dict(number.labels)


class Lazy:
    """As a tensor that knows only how to become an array."""

    def __init__(self, value):
        self.value = value

    def numpy(self):
        return self.value


class MetricValues(unittest.TestCase):
    def test_may_be_any_number_of_python(self):
        for value in (3, fractions.Fraction(6, 2), decimal.Decimal(3), True + 2):
            self.assertEqual(read(value), (3.0, None))
        self.assertEqual(read(10**400), (math.inf, None))
        self.assertEqual(read(-(10**400)), (-math.inf, None))

    def test_may_be_any_sequence_and_what_has_to_be_asked_twice(self):
        self.assertEqual(read((1, 3)), (2.0, {"0": 1.0, "1": 3.0}))
        self.assertEqual(read(range(3), total="sum"), (3.0, {"0": 0.0, "1": 1.0, "2": 2.0}))
        self.assertEqual(read(array.array("d", [1, 3])), (2.0, {"0": 1.0, "1": 3.0}))
        self.assertEqual(read(Lazy(array.array("d", [7]))), (7.0, None))
        self.assertEqual(read({"cat": {"f1": 1}}), (1.0, {"cat/f1": 1.0}))

    def test_is_nothing_else(self):
        for value, said in ((None, "None"), ({}, "an empty dict"), ({1, 2}, "a set"), (b"x", "a bytes")):
            with self.assertRaisesRegex(NotAMetric, f'The metric "m" is {said}, not a number'):
                read(value)
        with self.assertRaisesRegex(NotAMetric, "more than 10000 parts"):
            read([0] * 10_001)
        with self.assertRaisesRegex(NotAMetric, "is a list at 0/0/0/0/0, "):
            read([[[[[[1]]]]]])


class Catalogue(unittest.TestCase):
    def test_takes_a_name_of_the_program_once_with_one_meaning(self):
        catalogue = MetricCatalogue({"f1": {"goal": "max"}})
        catalogue.register("f1", {"goal": "max"})
        for name, kind in (("f1", {}), ("network", {}), ("", {}), ("a\n", {}), ("x" * 251, {})):
            with self.assertRaises(UnknownMetric):
                catalogue.register(name, kind)


class NumberText(unittest.TestCase):
    def test_is_that_of_ecmascript(self):
        for value, text in (
            (1.0, "1"),
            (-0.0, "0"),
            (100.0, "100"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (123456789012345680000.0, "123456789012345680000"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (5e-324, "5e-324"),
            (-1.7976931348623157e308, "-1.7976931348623157e+308"),
            (math.nan, "NaN"),
            (-math.inf, "-Infinity"),
        ):
            self.assertEqual(number_text(value), text)

    def test_is_the_number_again(self):
        bits = 1
        for _ in range(2000):
            bits = bits * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            (value,) = struct.unpack("<d", struct.pack("<Q", bits))
            if math.isfinite(value):
                self.assertEqual(float(number_text(value)), value)


if __name__ == "__main__":
    unittest.main()
