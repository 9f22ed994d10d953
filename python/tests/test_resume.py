"""Runs that resume: as often and wherever they were interrupted, they end as uninterrupted ones."""
import json
import os
import tempfile
import unittest

from trainyard import (
    EarlyStopping,
    ModelCheckpoint,
    Pipeline,
    SeededBatches,
    SeededRandom,
    Tracker,
    checkpoint_to_resume,
    latest_checkpoint,
)


class Killed(Exception):
    """The end of a run."""


class Listening(Tracker):
    def __init__(self):
        self.values = []

    def track(self, records):
        self.values.extend((record.name, record.step, record.value) for record in records)


class Fit(Pipeline):
    """Trains with noise from a generator and gradients that are applied every third batch, from the last checkpoint on."""

    def __init__(self, directory, fails_at=None, source=None, epochs=3, callbacks=(), **every):
        came = latest_checkpoint(directory)
        self.random = SeededRandom(7)
        self.weight, self.gathered, self.done = 0.0, 0.0, 0
        if came is not None:
            with open(came.path) as file:
                saved = json.load(file)
            self.weight, self.gathered, self.random.state = saved["weight"], saved["gathered"], saved["random"]
        self.fails_at, self.epochs = fails_at, epochs
        self.source = source or (lambda: SeededBatches(20, 4, seed=1))
        self.tracker, self.warnings = Listening(), []
        checkpoint = ModelCheckpoint(self.save, directory, top_k=0, **(every or {"every_batches": 1}))
        super().__init__(
            trackers=[self.tracker],
            callbacks=[*callbacks, checkpoint],
            resume_from=came,
            warn=self.warnings.append,
        )

    def save(self, path):
        with open(path, "w") as file:
            json.dump(self.model, file)

    @property
    def model(self):
        return {"weight": self.weight, "gathered": self.gathered, "random": self.random.state}

    def train(self):
        self.each_epoch(self.epochs, self.one_epoch)

    def one_epoch(self, epoch):
        self.each_batch(self.source(), self.one_batch)
        self.epoch_metrics["val_loss"] = self.weight + epoch

    def one_batch(self, items, index):
        if self.done == self.fails_at:
            raise Killed
        self.done += 1
        self.gathered += sum(items) * self.random.normal()
        if index % 3 == 2:
            self.weight, self.gathered = self.weight + 0.1 * self.gathered, 0.0
        self.batch_metrics["train_loss"] = self.weight
        self.epoch_metrics.add("train_loss", self.random.next(), weight=len(items))


class Resumes(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root, self.made = scratch.name, 0

    def new_directory(self):
        self.made += 1
        return os.path.join(self.root, str(self.made))

    def fit(self, directory, **options):
        program = Fit(directory, **options)
        try:
            program.run()
        except Killed:
            self.assertIsNotNone(program.fails_at)
        return program

    def test_equal_the_uninterrupted_run_bit_for_bit(self):
        whole = self.fit(self.new_directory())
        for stops in ([0], [1], [5], [7], [14], [2, 1, 4], [5, 5], [1, 1, 1, 1, 1]):
            directory, values = self.new_directory(), []
            for fails_at in stops:
                # What the epoch that failed has recorded of itself is recorded again by the one that goes on.
                values += self.fit(directory, fails_at=fails_at).tracker.values[:-1]
            last = self.fit(directory)
            self.assertEqual(last.model, whole.model, stops)
            self.assertLessEqual(set(whole.tracker.values), {*values, *last.tracker.values}, stops)

    def test_are_warned_of_data_that_cannot_begin_in_the_middle_and_pass_over_what_was_done(self):
        def in_order():
            return SeededBatches(20, 4, seed=1, shuffle=False).batches_of(0, 0)

        whole, directory = self.fit(self.new_directory(), source=in_order), self.new_directory()
        self.fit(directory, source=in_order, fails_at=7)
        last = self.fit(directory, source=in_order)
        self.assertEqual(last.model, whole.model)
        self.assertEqual(len(last.warnings), 1)
        self.assertIn("the 2 that were done before", last.warnings[0])

    def test_refuse_an_epoch_of_another_length(self):
        directory = self.new_directory()
        self.fit(directory, fails_at=7)
        with self.assertRaisesRegex(ValueError, "in the middle of an epoch of 5 batches, and this epoch has 4"):
            self.fit(directory, source=lambda: SeededBatches(16, 4, seed=1))

    def test_go_on_with_more_epochs_and_refuse_fewer(self):
        directory = self.new_directory()
        self.fit(directory, epochs=2, every_epochs=1)
        self.assertEqual(self.fit(directory, epochs=2, every_epochs=1).tracker.values, [])
        self.assertEqual(self.fit(directory, epochs=3, every_epochs=1).tracker.values[-1][:2], ("val_loss", 2))
        with self.assertRaisesRegex(ValueError, "is of epoch 2, and this run has only 1 epochs; give it at least 3"):
            self.fit(directory, epochs=1)

    def test_tell_of_states_that_are_missing_or_left_over(self):
        directory = self.new_directory()
        self.fit(directory, fails_at=7, callbacks=[EarlyStopping("train_loss")])
        warnings = self.fit(directory, callbacks=[EarlyStopping("val_loss")]).warnings
        self.assertIn('has a state of the callback "early-stopping train_loss", which this run lacks.', warnings[0])
        self.assertIn('has no state of the callback "early-stopping val_loss"; it begins anew.', warnings[1])

    def test_from_what_is_not_there_or_was_changed_are_refused(self):
        directory = self.new_directory()
        missing = os.path.join(directory, "epoch-9")
        with self.assertRaisesRegex(FileNotFoundError, "There is no checkpoint .*epoch-9"):
            checkpoint_to_resume(env={"TRAINYARD_RESUME_FROM": missing})
        self.fit(directory, fails_at=7)
        path = latest_checkpoint(directory).path
        self.assertEqual(checkpoint_to_resume(path).path, path)
        self.assertEqual(checkpoint_to_resume(directory=directory, env={}).path, path)
        with open(path, "a") as file:
            file.write("x")
        with self.assertRaisesRegex(OSError, "is not as it was written; resume from another one"):
            checkpoint_to_resume(path)
        attempt = os.path.dirname(directory)
        self.assertIsNone(checkpoint_to_resume(env={"TRAINYARD_ATTEMPT_DIR": attempt}))


class Random(unittest.TestCase):
    def test_goes_on_from_a_state_and_refuses_seeds_that_are_none(self):
        random = SeededRandom(1, -2)
        state = json.loads(json.dumps(random.state))
        following = [random.uint32() for _ in range(5)]
        random.state = state
        self.assertEqual([random.uint32() for _ in range(5)], following)
        for wrong in (1.5, "1", 2**60, True):
            with self.assertRaises(ValueError):
                SeededRandom(wrong)

    def test_batches_need_something_to_read_and_have_each_item_once(self):
        for wrong in ((0, 4), (10, 0), (2.5, 1)):
            with self.assertRaises(ValueError):
                SeededBatches(*wrong, seed=1)
        batches = SeededBatches(10, 4, seed=1)
        read = list(batches.batches_of(3, 0))
        self.assertEqual((len(batches), [len(batch) for batch in read]), (3, [4, 4, 2]))
        self.assertEqual(sorted(sum(read, [])), list(range(10)))
        self.assertEqual(list(batches.batches_of(3, 2)), read[2:])
        self.assertEqual(len(SeededBatches(10, 4, seed=1, drop_last=True)), 2)


if __name__ == "__main__":
    unittest.main()
