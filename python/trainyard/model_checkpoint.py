"""Saves checkpoints while a program trains, and keeps the best and the newest."""
from __future__ import annotations

import json
import math
import os
import time
from typing import Any, Callable, Dict, List, Literal, Mapping, Optional, Set

from .callback import Callback, CallbackContext, CallbackEnd, CallbackResume
from .checkpoint import Checkpoint, NewCheckpoint, RankedCheckpoint
from .checkpoint_directory import CheckpointDirectory
from .checkpoint_ranking import KeepRule, best_first, kept_checkpoints


def latest_checkpoint(directory: str = "checkpoints") -> Optional[Checkpoint]:
    """The newest checkpoint of a directory that is as it was written: what a run resumes from."""
    return CheckpointDirectory(directory).latest()


def checkpoint_to_resume(
    path: Optional[str] = None,
    *,
    directory: Optional[str] = None,
    env: Optional[Mapping[str, str]] = None,
) -> Optional[Checkpoint]:
    """The checkpoint at a path; else what Trainyard says that this attempt resumes from; else the newest of a directory.

    Raises OSError when the one that is named is not there, or not as it was written.
    """
    variables = os.environ if env is None else env
    named = path or variables.get("TRAINYARD_RESUME_FROM", "")
    if named != "":
        return CheckpointDirectory(os.path.dirname(named) or ".").named(os.path.basename(named))
    return latest_checkpoint(directory or checkpoint_directory(variables))


def checkpoint_directory(env: Optional[Mapping[str, str]] = None) -> str:
    """Where a program keeps its checkpoints that names no directory: inside of Trainyard one of the attempt's own."""
    attempt = (os.environ if env is None else env).get("TRAINYARD_ATTEMPT_DIR", "")
    return os.path.join(attempt, "checkpoints") if attempt != "" else "checkpoints"


class ModelCheckpoint(Callback):
    """Saves checkpoints, and removes those no longer among the best or the newest, once the new one is there.

    One that the run has resumed from stays, and so do those that another run has left. Inside of Trainyard each is
    recorded (docs/guides/training-jobs.md, "Checkpoints"). A run that ends well saves what was not saved yet.

    save              writes a file or a directory at this path, whole when it has returned
    directory         where checkpoints are kept
    metric            metric of epochs by which they are ranked; if left out, the first are the best
    mode              whether smaller values of it are better (`min`) or larger ones (`max`)
    top_k             so many of the best are kept; -1 for all
    keep_last         whether the newest is kept beside those
    every_epochs      one after so many epochs; 1 if no other interval is given. One interval only
    every_batches     one after so many batches
    every_ms          one at the end of a batch or epoch when so many milliseconds have gone by since the last
    save_on_exception one when the run fails

    Raises ValueError when an option makes no sense.
    """

    is_last = True

    _kept: List[Checkpoint]
    _epoch: Optional[int]
    _resumed_at: Optional[Checkpoint]
    _value: Optional[float]

    def __init__(
        self,
        save: Callable[[str], object],
        directory: str = "checkpoints",
        metric: Optional[str] = None,
        mode: Literal["min", "max"] = "min",
        *,
        top_k: int = 1,
        keep_last: bool = True,
        every_epochs: Optional[int] = None,
        every_batches: Optional[int] = None,
        every_ms: Optional[int] = None,
        save_on_exception: bool = False,
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        given = [each for each in (every_epochs, every_batches, every_ms) if each is not None]
        if len(given) > 1:
            raise ValueError("Give one of every_epochs, every_batches and every_ms, not several.")
        if any(not isinstance(each, int) or each < 1 for each in given):
            raise ValueError(f"An interval is a whole number of at least 1, not {given[0]}.")
        if not isinstance(top_k, int) or top_k < -1:
            raise ValueError(f"top_k is a number of checkpoints, or -1 for all, not {top_k}.")
        if mode not in ("min", "max"):
            raise ValueError(f'mode is "min" or "max", not {json.dumps(mode)}')
        self.name = f"model-checkpoint {directory}"
        self._save_to = save
        self._metric = metric
        self._every_epochs = every_epochs or 1
        self._every_batches = every_batches
        self._every_ms = every_ms
        self._save_on_exception = save_on_exception
        self._rule = KeepRule(mode, top_k, keep_last)
        self._directory = CheckpointDirectory(directory)
        self._attempt = (os.environ if env is None else env).get("TRAINYARD_ATTEMPT_DIR", "")
        self._begin(0)

    @property
    def best(self) -> Optional[Checkpoint]:
        """The best of those that are kept."""
        ranked = best_first(self._kept, self._rule.mode)
        return ranked[0] if ranked else None

    @property
    def last(self) -> Optional[Checkpoint]:
        """The newest of those that are kept."""
        return self._kept[-1] if self._kept else None

    def on_run_start(self, context: CallbackContext) -> None:
        self._begin(context.level.started_at_ms)
        self._directory.remove_unfinished()

    def on_epoch_start(self, context: CallbackContext) -> None:
        self._epoch = context.level.index
        self._is_in_epoch = True
        # An epoch that was saved in the middle goes on behind the batches that were done.
        resumed = self._resumed_at
        is_resumed = resumed is not None and resumed.epoch == self._epoch
        self._batches_of_epoch = (resumed.batches_of_epoch or 0) if resumed is not None and is_resumed else 0

    def on_batch_end(self, context: CallbackEnd) -> None:
        self._batches += 1
        self._batches_of_epoch += 1
        self._is_saved = False
        self._value = self._value_in(context)
        every = self._every_batches
        if self._is_time_over(context) if every is None else self._batches % every == 0:
            self._save(context, f"epoch-{self._epoch}-batch-{self._batches}")

    def on_epoch_end(self, context: CallbackEnd) -> None:
        self._is_in_epoch = False
        # What was saved at the end of its last batch is not saved again.
        if self._batches_of_epoch == 0:
            self._is_saved = False
        self._value = self._value_in(context)
        if self._every_batches is not None or self._is_saved:
            return
        number = context.level.index
        is_due = (number + 1) % self._every_epochs == 0 if self._every_ms is None else self._is_time_over(context)
        if is_due:
            self._save(context, f"epoch-{number}")

    def on_resume(self, context: CallbackResume) -> None:
        """Time in which the run stood still does not count for `every_ms`."""
        self._saved_at_ms += context.paused_ms

    def on_save_request(self, context: CallbackContext) -> Optional[str]:
        """One that somebody has asked for is kept as long as the run goes on, whatever the rule says."""
        if not self._is_saved:
            place = f"-batch-{self._batches}" if self._is_in_epoch else ""
            self._save(context, f"epoch-{_text(self._epoch)}{place}", is_requested=True)
        last = self.last
        if last is None:
            return None
        self._requested.add(last.path)
        return last.path

    def on_exception(self, context: CallbackContext, error: BaseException) -> None:
        if self._save_on_exception and not self._is_saved:
            self._save(context, f"epoch-{_text(self._epoch)}-failed")

    def on_run_end(self, context: CallbackEnd) -> None:
        if context.end.status in ("completed", "stopped") and not self._is_saved:
            self._save(context, "final")

    def state(self) -> Dict[str, Any]:
        return {"batches": self._batches, "kept": [each.path for each in self._kept]}

    def restore(self, state: Any, checkpoint: Checkpoint) -> None:
        self._batches = state["batches"]
        self._epoch = checkpoint.epoch
        self._resumed_at = checkpoint
        mine = {*state["kept"], checkpoint.path}
        self._kept = [each for each in self._directory.list() if each.path in mine]

    def _begin(self, at_ms: int) -> None:
        self._kept = []
        self._epoch = None
        self._batches = 0
        self._batches_of_epoch = 0
        self._is_in_epoch = False
        self._resumed_at = None
        self._requested: Set[str] = set()
        self._value = None
        self._saved_at_ms = at_ms
        self._is_saved = True

    def _is_time_over(self, context: CallbackEnd) -> bool:
        return self._every_ms is not None and context.end.ended_at_ms - self._saved_at_ms >= self._every_ms

    def _value_in(self, context: CallbackContext) -> Optional[float]:
        """None for what is not there or not finite."""
        value = None if self._metric is None else context.metrics.get(self._metric)
        return value if value is not None and math.isfinite(value) else None

    def _save(self, context: CallbackContext, name: str, is_requested: bool = False) -> None:
        upcoming = RankedCheckpoint(math.inf, self._value)
        is_kept = any(each is upcoming for each in kept_checkpoints([*self._kept, upcoming], self._rule))
        if not is_kept and not is_requested:
            return
        known = NewCheckpoint(
            epoch=self._epoch,
            batches_of_epoch=self._batches_of_epoch if self._is_in_epoch else None,
            batches=self._batches,
            value=self._value,
            callbacks=context.callback_states(),
        )
        saved = self._directory.save(name, self._save_to, known)
        self._is_saved = True
        self._saved_at_ms = time.time_ns() // 1_000_000
        self._record(saved)
        everything = [*self._kept, saved]
        kept = {each.path for each in kept_checkpoints(everything, self._rule)}
        kept |= self._requested
        if self._resumed_at is not None:
            kept.add(self._resumed_at.path)
        if is_requested:
            kept.add(saved.path)
        self._kept = [each for each in everything if each.path in kept]
        for each in everything:
            if each.path not in kept:
                self._directory.remove(each)

    def _record(self, saved: Checkpoint) -> None:
        """Trainyard reads it when the attempt has ended; what is not there any more counts as deleted by itself."""
        if self._attempt == "":
            return
        epoch = saved.epoch
        step = saved.batches if saved.batches > 0 else max(0, epoch or 0)
        metrics = {} if self._metric is None else {self._metric: saved.value}
        line: Dict[str, Any] = {"path": saved.path, "step": step, "metrics": metrics}
        if epoch is not None and epoch >= 0:
            line["epoch"] = epoch
        with open(os.path.join(self._attempt, "checkpoints.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _text(epoch: Optional[int]) -> str:
    return "null" if epoch is None else str(epoch)
