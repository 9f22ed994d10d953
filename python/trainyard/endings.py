"""What is raised through a program to end a batch, an epoch or the run early.

They are no `Exception`: a program that catches its own errors lets these pass, as it does `KeyboardInterrupt`.
"""
from __future__ import annotations


class RunStopped(BaseException):
    """Ends the run early: the run is `stopped`, which is no failure."""


class EpochStopped(BaseException):
    """Ends this epoch early; the run goes on with the next."""


class RunCancelled(BaseException):
    """The program is to end because somebody outside wants it. At SIGINT it is a `KeyboardInterrupt` as ever."""


class LifecycleMisuse(Exception):
    """A scope was opened where none could be, or was not closed; or a run would go on unrecorded."""
