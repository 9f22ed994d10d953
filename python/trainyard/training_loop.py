"""Epochs and batches from where a checkpoint was written, or from the first."""
from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Optional, TypeVar

from .batch_source import batches_from
from .callback import Callback, CallbackContext
from .checkpoint import Checkpoint
from .metric_scope import MetricScope

Batch = TypeVar("Batch")


class EpochProgress(Callback):
    """What a run that resumes in the middle of an epoch needs to record it as if it had not been interrupted."""

    name = "trainyard pipeline"

    def __init__(self, metrics: MetricScope, resume_from: Optional[Checkpoint]) -> None:
        self._metrics = metrics
        self._from = resume_from
        #: Of the data that the run reads, as far as that is known.
        self.batches_per_epoch: Optional[int] = None

    @property
    def resumed_batches_per_epoch(self) -> Optional[int]:
        """How many batches an epoch had in the run that wrote the checkpoint."""
        count: Optional[int] = self._resumed.get("batchesPerEpoch")
        return count

    def state(self) -> Dict[str, Any]:
        return {"epochMetrics": self._metrics.state(), "batchesPerEpoch": self.batches_per_epoch}

    def on_epoch_start(self, context: CallbackContext) -> None:
        came = self._from
        if came is not None and came.batches_of_epoch is not None and came.epoch == context.level.index:
            self._metrics.restore(self._resumed.get("epochMetrics", ()))

    @property
    def _resumed(self) -> Dict[str, Any]:
        """Not by `restore`: a checkpoint of an older version, which has none, is no reason to warn."""
        found: Optional[Dict[str, Any]] = None if self._from is None else self._from.callbacks.get(self.name)
        return found or {}


class TrainingLoop:
    """`within` carries a part of the program out as an epoch or a batch with this number and step."""

    def __init__(
        self,
        progress: EpochProgress,
        resume_from: Optional[Checkpoint],
        warn: Callable[[str], None],
    ) -> None:
        self._progress = progress
        self._from = resume_from
        self._warn = warn

    def first_epoch(self, count: int) -> int:
        """The first epoch of a run of `count` that is not done yet. Raises ValueError when fewer are asked for than are."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"A run has a whole number of epochs, not {count}.")
        came = self._from
        begun = 0 if came is None or came.epoch is None else came.epoch + 1
        if came is not None and begun > count:
            raise ValueError(
                f"The checkpoint {came.path} is of epoch {begun - 1}, and this run has only {count} epochs; "
                f"give it at least {begun}."
            )
        return begun if came is None or came.batches_of_epoch is None else begun - 1

    def batches(self, source: Iterable[Batch], epoch: int) -> "tuple[int, Iterable[Batch]]":
        """Number of the first batch of the epoch that is not done yet, and the batches from there on.

        Raises ValueError when the source has another number of batches than the one of before the checkpoint.
        """
        came = self._from
        first = (came.batches_of_epoch or 0) if came is not None and came.epoch == epoch else 0
        length = _length_of(source)
        if came is not None and first > 0:
            self._require_same_length(came, length)
        self._progress.batches_per_epoch = length
        batches, can_begin = batches_from(source, epoch, first)
        if came is not None and not can_begin:
            self._warn(
                f"The batches cannot begin in the middle of an epoch: the {first} that were done before {came.path} "
                "are read again and passed over. They are the same only if the source gives them in the same order "
                "each time."
            )
        return first, batches

    def _require_same_length(self, came: Checkpoint, length: Optional[int]) -> None:
        before = self._progress.resumed_batches_per_epoch
        if before is None or length is None or before == length:
            return
        raise ValueError(
            f"The checkpoint {came.path} was written in the middle of an epoch of {before} batches, and this epoch "
            f"has {length}; give it the same data and batch size, or resume from the end of an epoch."
        )


def _length_of(source: Any) -> Optional[int]:
    try:
        return len(source)
    except TypeError:
        return None
