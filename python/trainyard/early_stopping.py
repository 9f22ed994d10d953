"""Ends a run when a metric gets no better."""
from __future__ import annotations

import json
import math
from typing import Any, Dict, Literal, Optional, Tuple

from .callback import Callback, CallbackContext, CallbackEnd
from .checkpoint import Checkpoint
from .number_text import number_text

#: Why it has ended a run.
StopReason = Literal["patience", "not_finite", "threshold_reached", "diverged"]


class EarlyStopping(Callback):
    """The first value is the baseline. Epochs without the metric are told once and do not count.

    metric               name of the metric of epochs that is watched
    mode                 whether it is to become smaller (`min`) or larger (`max`)
    patience             so many epochs without an improvement end the run
    min_delta_percent    an improvement is more than so many percent of the best value's size
    min_epochs           no stop before so many epochs were judged
    check_finite         NaN or an infinity ends the run at once; if false, it is an epoch without an improvement
    stopping_threshold   a value at least as good as this ends the run
    divergence_threshold a value worse than this ends the run

    Raises ValueError when an option makes no sense.
    """

    _best: Optional[float]
    _best_epoch: Optional[int]
    _judged: int
    _waited: int
    _reason: Optional[StopReason]
    _has_warned: bool

    def __init__(
        self,
        metric: str = "val_loss",
        mode: Literal["min", "max"] = "min",
        patience: int = 5,
        min_delta_percent: float = 0,
        *,
        min_epochs: int = 0,
        check_finite: bool = True,
        stopping_threshold: Optional[float] = None,
        divergence_threshold: Optional[float] = None,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'mode is "min" or "max", not {json.dumps(mode)}')
        if not isinstance(patience, int) or patience < 1:
            raise ValueError(f"patience is a number of epochs, at least 1, not {patience}")
        if not min_delta_percent >= 0:
            raise ValueError(f"min_delta_percent is at least 0, not {number_text(min_delta_percent)}")
        self.name = f"early-stopping {metric}"
        self._metric = metric
        self._mode = mode
        self._patience = patience
        self._min_delta_percent = min_delta_percent
        self._min_epochs = min_epochs
        self._check_finite = check_finite
        self._stopping_threshold = stopping_threshold
        self._divergence_threshold = divergence_threshold
        self._reset()

    @property
    def best(self) -> Optional[float]:
        """The best value so far."""
        return self._best

    @property
    def best_epoch(self) -> Optional[int]:
        """Number of the epoch that had it."""
        return self._best_epoch

    @property
    def reason(self) -> Optional[StopReason]:
        """Why it has ended the run; None when it has not."""
        return self._reason

    def on_run_start(self, context: CallbackContext) -> None:
        """It begins anew with each run."""
        self._reset()

    def state(self) -> Dict[str, Any]:
        return {"best": self._best, "bestEpoch": self._best_epoch, "judged": self._judged, "waited": self._waited}

    def restore(self, state: Any, checkpoint: Checkpoint) -> None:
        self._best, self._best_epoch = state["best"], state["bestEpoch"]
        self._judged, self._waited = state["judged"], state["waited"]

    def on_epoch_end(self, context: CallbackEnd) -> None:
        value = context.metrics.get(self._metric)
        if value is None:
            if not self._has_warned:
                context.warn(f'Early stopping finds no metric "{self._metric}" in epoch {context.level.index}.')
            self._has_warned = True
            return
        self._judged += 1
        verdict = self._judge(value, context.level.index)
        if verdict is None or self._judged < self._min_epochs:
            return
        self._reason = verdict[0]
        context.stop(verdict[1])

    def _reset(self) -> None:
        self._best = None
        self._best_epoch = None
        self._judged = 0
        self._waited = 0
        self._reason = None
        self._has_warned = False

    def _judge(self, value: float, epoch: int) -> Optional[Tuple[StopReason, str]]:
        metric, text = self._metric, number_text(value)
        if not math.isfinite(value) and self._check_finite:
            return "not_finite", f"{metric} is {text}"
        if self._improves(value):
            self._best, self._best_epoch, self._waited = value, epoch, 0
        else:
            self._waited += 1
        threshold, limit = self._stopping_threshold, self._divergence_threshold
        if threshold is not None and (self._is_better(value, threshold) or value == threshold):
            return "threshold_reached", f"{metric} has reached {text}"
        if limit is not None and self._is_better(limit, value):
            return "diverged", f"{metric} is {text}, worse than {number_text(limit)}"
        if self._waited < self._patience:
            return None
        best = (
            "none was finite"
            if self._best is None
            else f"the best was {number_text(self._best)} in epoch {self._best_epoch}"
        )
        return "patience", f"{metric} has not improved for {self._waited} epochs; {best}"

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self._best is None:
            return True
        gain = self._best - value if self._mode == "min" else value - self._best
        # A share of the best value, not of a division by it: it may be 0.
        return gain > abs(self._best) * self._min_delta_percent / 100

    def _is_better(self, value: float, than: float) -> bool:
        return value < than if self._mode == "min" else value > than
