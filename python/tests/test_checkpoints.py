"""Checkpoints: what a crash leaves, and which are kept."""
import itertools
import os
import random
import tempfile
import unittest

from trainyard import ModelCheckpoint, Pipeline, latest_checkpoint
from trainyard.checkpoint import RankedCheckpoint
from trainyard.checkpoint_ranking import KeepRule, best_first, kept_checkpoints


class Losses(Pipeline):
    def train(self):
        for n, loss in enumerate(self.params["losses"]):
            with self.epoch(n):
                self.epoch_metrics["val_loss"] = loss


def saver(content="model"):
    def save(path):
        with open(path, "w") as file:
            file.write(content)

    return save


class Options(unittest.TestCase):
    def test_are_refused_when_they_make_no_sense(self):
        for options, said in (
            ({"every_epochs": 1, "every_ms": 5}, "Give one of every_epochs, every_batches and every_ms, not several."),
            ({"every_batches": 0}, "An interval is a whole number of at least 1, not 0."),
            ({"top_k": -2}, "top_k is a number of checkpoints, or -1 for all, not -2."),
            ({"mode": "low"}, 'mode is "min" or "max", not "low"'),
        ):
            with self.assertRaises(ValueError) as caught:
                ModelCheckpoint(saver(), **options)
            self.assertEqual(str(caught.exception), said)


class Kept(unittest.TestCase):
    def test_are_never_fewer_than_the_best_whatever_the_values(self):
        chance = random.Random(42)
        for top_k, keep_last, _ in itertools.product(range(5), (True, False), range(50)):
            values = [chance.choice([None, *range(-5, 6)]) for _ in range(chance.randint(1, 20))]
            everything = [RankedCheckpoint(order, value) for order, value in enumerate(values)]
            kept = []
            for each in everything:
                kept = kept_checkpoints([*kept, each], KeepRule("max", top_k, keep_last))
            self.assertEqual(best_first(kept, "max")[:top_k], best_first(everything, "max")[:top_k])
            self.assertTrue(not keep_last or kept[-1] is everything[-1])
            self.assertLessEqual(len(kept), top_k + keep_last)


class Saves(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = os.path.join(scratch.name, "checkpoints")

    def train(self, losses, save=None, **options):
        checkpoint = ModelCheckpoint(save or saver(), self.directory, "val_loss", env={}, **options)
        Losses(params={"losses": losses}, callbacks=[checkpoint]).run()
        return checkpoint

    def path(self, name):
        return os.path.join(self.directory, name)

    def test_remove_the_one_before_only_when_the_new_one_is_there(self):
        seen = []

        def save(path):
            seen.append([name for name in os.listdir(self.directory) if name.endswith(".json")])
            saver()(path)

        checkpoint = self.train([3, 2, 1], save)
        self.assertEqual(seen, [[], ["epoch-0.json"], ["epoch-1.json"]])
        self.assertEqual(sorted(os.listdir(self.directory)), ["epoch-2", "epoch-2.json"])
        self.assertEqual((checkpoint.best.epoch, checkpoint.last.value), (2, 1))

    def test_that_a_kill_has_torn_are_passed_over_and_cleared_away(self):
        self.train([1])
        for name in (".unfinished-epoch-1", "epoch-1", "epoch-2.json"):
            saver("half")(self.path(name))
        self.assertEqual(latest_checkpoint(self.directory).path, self.path("epoch-0"))
        self.train([])
        self.assertEqual(
            sorted(os.listdir(self.directory)), ["epoch-0", "epoch-0.json", "epoch-1", "epoch-2.json"]
        )

    def test_that_write_nothing_fail_the_run(self):
        with self.assertRaisesRegex(OSError, "save\\(\\) has written no checkpoint to"):
            self.train([1], save=lambda path: None)
        self.assertEqual(os.listdir(self.directory), [])

    def test_fall_back_behind_one_that_is_gone_or_changed(self):
        self.train([3, 2, 1], top_k=-1)
        saver("X")(self.path("epoch-2"))
        os.remove(self.path("epoch-1"))
        self.assertEqual(latest_checkpoint(self.directory).path, self.path("epoch-0"))
        self.assertIsNone(latest_checkpoint(self.path("nowhere")))
