"""Options of callbacks, and what is kept of them."""
import io
import math
import os
import tempfile
import unittest

from trainyard import Callback, EarlyStopping, LearningRateMonitor, Level, LevelEnd, MetricsCsv, Pipeline, ProgressBar
from trainyard.callback import CallbackContext, CallbackEnd
from trainyard.catalogue import MetricCatalogue
from trainyard.metric_scope import MetricScope


class Losses(Pipeline):
    def train(self):
        for n, loss in enumerate(self.params["losses"]):
            with self.epoch(n):
                self.epoch_metrics["val_loss"] = loss


class EarlyStoppings(unittest.TestCase):
    def test_refuse_options_that_make_no_sense(self):
        for options, said in (
            ({"mode": "smaller"}, 'mode is "min" or "max", not "smaller"'),
            ({"patience": 0}, "patience is a number of epochs, at least 1, not 0"),
            ({"patience": 1.5}, "patience is a number of epochs, at least 1, not 1.5"),
            ({"min_delta_percent": math.nan}, "min_delta_percent is at least 0, not NaN"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                EarlyStopping(**options)

    def test_say_what_was_best_and_begin_anew_with_each_run(self):
        stopping = EarlyStopping(patience=2)
        Losses(params={"losses": [3, 1, 2, 2, 0]}, callbacks=[stopping]).run()
        self.assertEqual((stopping.best, stopping.best_epoch, stopping.reason), (1, 1, "patience"))
        Losses(params={"losses": [5, 4]}, callbacks=[stopping]).run()
        self.assertEqual((stopping.best, stopping.best_epoch, stopping.reason), (4, 1, None))

    def test_say_the_kind_of_their_reason(self):
        for options, losses, reason in (
            ({}, [1, math.nan], "not_finite"),
            ({"stopping_threshold": 0.5}, [1, 0.5], "threshold_reached"),
            ({"divergence_threshold": 10}, [1, 11], "diverged"),
        ):
            stopping = EarlyStopping(**options)
            self.assertEqual(Losses(params={"losses": losses}, callbacks=[stopping]).run().status, "stopped")
            self.assertEqual(stopping.reason, reason)


class MetricsCsvs(unittest.TestCase):
    def test_are_written_anew_with_each_run_and_in_a_folder_that_is_made(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "logs", "metrics.log")
            csv = MetricsCsv(path)
            for losses in ([1, 2], [math.inf]):
                Losses(params={"losses": losses}, callbacks=[csv]).run()
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), "row,epoch,val_loss\nEPOCH,0,Infinity\nFINAL,,nan\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressBars(unittest.TestCase):
    def test_draw_at_most_every_tenth_of_a_second_and_end_their_line_with_the_run(self):
        terminal = Terminal()
        bar = ProgressBar(batches=4, stream=terminal)
        epoch = Level("epoch", 7, Level("run", 0, None, 0, 0), 0, 7)
        told = dict(params={}, metrics=MetricScope(MetricCatalogue(), "batch"),
                    record=None, callback_states=dict, stop=None, stop_epoch=None, warn=None)
        bar.on_epoch_start(CallbackContext(level=epoch, **told))
        for index, ended_at_ms in enumerate((50, 100, 150)):
            end = LevelEnd("completed", ended_at_ms)
            bar.on_batch_end(CallbackEnd(level=Level("batch", index, epoch, 0, index), end=end, **told))
        bar.on_run_end(None)
        self.assertEqual(terminal.getvalue(), "\r\x1b[2Kepoch 7  [##########----------] 2/4\n")

    def test_never_wrap_a_line_and_write_nothing_where_there_is_no_terminal(self):
        for stream, longest in ((Terminal(), 11), (io.StringIO(), 0)):
            Losses(params={"losses": [0.123456]}, callbacks=[ProgressBar(stream=stream, columns=12)]).run()
            lines = stream.getvalue().replace("\r\x1b[2K", "").split("\n")
            self.assertEqual(max(map(len, lines)), longest)


class LearningRateMonitors(unittest.TestCase):
    def test_refuse_to_record_at_anything_else(self):
        with self.assertRaisesRegex(ValueError, 'every is "epoch" or "batch", not "run"'):
            LearningRateMonitor(lambda: 1, every="run")


class Names(unittest.TestCase):
    def test_are_given_once(self):
        with self.assertRaisesRegex(ValueError, 'Two callbacks are called "callback"'):
            Losses(callbacks=[Callback(), Callback()])


if __name__ == "__main__":
    unittest.main()
