"""An event file that is written from its beginning."""
from __future__ import annotations

import itertools
import os
import re
import socket
from typing import Sequence

from .event import file_version_event
from .record import framed_record

_NAME = re.compile(r"^events\.out\.tfevents\.(\d{10})\.")

#: Files of this process so far; one more in the same second gets another name.
_opened = itertools.count(1)


class EventFile:
    """TensorBoard reads the files of a directory in the order of their names, so a new one is named after all others."""

    def __init__(self, directory: str, now_ms: int) -> None:
        """Makes the directory, too, if it is not there."""
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, _next_name(os.listdir(directory), now_ms))
        self._file = open(self.path, "xb", buffering=0)
        self.append([file_version_event(now_ms)])

    def append(self, events: Sequence[bytes]) -> None:
        """Appends events. They are with the operating system when it returns, and all of them whole.

        What was written of them when the disk was full is taken back.
        """
        data = memoryview(b"".join(map(framed_record, events)))
        size = self._file.tell()
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError:
            self._file.truncate(size)
            self._file.seek(size)
            raise

    def close(self) -> None:
        self._file.close()


def _next_name(names: Sequence[str], now_ms: int) -> str:
    newest = max((int(match.group(1)) for match in map(_NAME.match, names) if match), default=0)
    seconds = max(now_ms // 1000, newest + 1)
    return f"events.out.tfevents.{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{next(_opened)}"
