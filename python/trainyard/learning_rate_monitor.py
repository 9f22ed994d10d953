"""Records the learning rate."""
from __future__ import annotations

import json
from typing import Callable, Literal

from .callback import Callback, CallbackContext, CallbackEnd


class LearningRateMonitor(Callback):
    """Records `learning_rate` with the number of the epoch or batch as step.

    rate   answers the rate now; of several groups of weights a value by the name of each
    every  at the beginning of each `epoch`, or at the end of each `batch`

    Raises ValueError when it is to record at something else.
    """

    name = "learning-rate-monitor"

    def __init__(self, rate: Callable[[], object], every: Literal["epoch", "batch"] = "epoch") -> None:
        if every not in ("epoch", "batch"):
            raise ValueError(f'every is "epoch" or "batch", not {json.dumps(every)}')
        self._rate = rate
        self._every = every

    def on_epoch_start(self, context: CallbackContext) -> None:
        if self._every == "epoch":
            context.record("learning_rate", self._rate())

    def on_batch_end(self, context: CallbackEnd) -> None:
        if self._every == "batch":
            context.record("learning_rate", self._rate())
