"""Checkpoints in a directory."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .checkpoint import Checkpoint, NewCheckpoint

_UNFINISHED = ".unfinished-"
_CHUNK_BYTES = 1 << 20


class CheckpointDirectory:
    """`NAME` is what the program has written, `NAME.json` what is known of it.

    Files get their names once they are whole, the JSON last, and only what has one counts: a crash at any time leaves
    those from before. The TypeScript module reads and writes the same.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def list(self) -> List[Checkpoint]:
        """Oldest first. Their files are not looked at."""
        return [checkpoint for checkpoint, _ in self._recorded()]

    def latest(self) -> Optional[Checkpoint]:
        """The newest that is as it was written; None if there is none."""
        for checkpoint, digest in reversed(self._recorded()):
            try:
                if digest_of(checkpoint.path) == digest:
                    return checkpoint
            except OSError:  # It is gone, or the disk cannot read it.
                continue
        return None

    def named(self, name: str) -> Checkpoint:
        """The checkpoint of this name. Raises FileNotFoundError when it is not there, OSError when it was changed."""
        path, found = os.path.join(self.path, name), self._read(name)
        if found is None:
            raise FileNotFoundError(
                f"There is no checkpoint {path}, or nothing beside it says what it is ({name}.json)."
            )
        try:
            is_whole = digest_of(path) == found[1]
        except OSError:
            is_whole = False
        if not is_whole:
            raise OSError(f"The checkpoint {path} is not as it was written; resume from another one.")
        return found[0]

    def save(self, name: str, write: Callable[[str], object], known: NewCheckpoint) -> Checkpoint:
        """Lets the program write at a temporary place; the checkpoint gets its own when it is whole and on disk.

        Raises what the program raises, and OSError when it has written nothing; nothing is left of it then.
        """
        os.makedirs(self.path, exist_ok=True)
        free = _free_name(name, os.listdir(self.path))
        temporary, path = os.path.join(self.path, _UNFINISHED + free), os.path.join(self.path, free)
        _remove(temporary)
        os.mkdir(temporary)
        # Its name is that which it will have: there are libraries that refuse one that begins with a dot.
        written = os.path.join(temporary, free)
        try:
            write(written)
            try:
                digest = digest_of(written)
            except OSError as error:
                raise OSError(f"save() has written no checkpoint to {written}.") from error
            os.rename(written, path)
            order = max((int(each.order) for each in self.list()), default=0) + 1
            self._write_record(free, _record_of(known, order, digest))
        finally:
            _remove(temporary)
        return _checkpoint(path, _record_of(known, order, digest))

    def remove(self, checkpoint: Checkpoint) -> None:
        """What it is known by goes first: half of a checkpoint is never taken for one."""
        _remove(f"{checkpoint.path}.json")
        doomed = os.path.join(self.path, _UNFINISHED + os.path.basename(checkpoint.path))
        try:
            os.rename(checkpoint.path, doomed)
        except OSError:  # Somebody else has removed it.
            pass
        _remove(doomed)

    def remove_unfinished(self) -> None:
        """Removes what processes have left that were killed while they saved or removed a checkpoint."""
        for name in self._names():
            if name.startswith(_UNFINISHED):
                _remove(os.path.join(self.path, name))

    def _names(self) -> List[str]:
        try:
            return os.listdir(self.path)
        except OSError:
            return []

    def _recorded(self) -> List[Tuple[Checkpoint, str]]:
        names = (name for name in self._names() if name.endswith(".json") and not name.startswith("."))
        read = (self._read(name[: -len(".json")]) for name in names)
        return sorted((each for each in read if each is not None), key=lambda each: each[0].order)

    def _read(self, name: str) -> Optional[Tuple[Checkpoint, str]]:
        path = os.path.join(self.path, name)
        try:
            with open(f"{path}.json", encoding="utf-8") as file:
                record = json.load(file)
            return (_checkpoint(path, record), record["sha256"]) if isinstance(record["order"], int) else None
        except (OSError, ValueError, KeyError, TypeError):
            # Torn, or somebody else's file: no checkpoint.
            return None

    def _write_record(self, name: str, record: Dict[str, Any]) -> None:
        temporary = os.path.join(self.path, f"{_UNFINISHED}{name}.json")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, os.path.join(self.path, f"{name}.json"))
        directory = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def digest_of(path: str) -> str:
    """SHA-256 of a file, or of all files in a directory with their paths. Brings them to the disk, too."""
    digest = hashlib.sha256()
    if os.path.isdir(path):
        for inner in _files_in(path):
            digest.update(f"{inner}\0".encode("utf-8", "surrogateescape"))
            _digest_file(path + inner, digest)
    else:
        _digest_file(path, digest)
    return digest.hexdigest()


def _files_in(path: str) -> List[str]:
    """Paths behind that of the directory, in the order of their UTF-16 units, as JavaScript sorts."""
    found = [
        os.path.join(folder, name)[len(path) :]
        for folder, _, names in os.walk(path)
        for name in names
        if not os.path.islink(os.path.join(folder, name))
    ]
    return sorted(found, key=lambda each: each.encode("utf-16-be", "surrogatepass"))


def _digest_file(path: str, digest: Any) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        digest.update(f"{os.fstat(file.fileno()).st_size}\0".encode())
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)


def _record_of(known: NewCheckpoint, order: int, digest: str) -> Dict[str, Any]:
    return {
        "epoch": known.epoch,
        "batchesOfEpoch": known.batches_of_epoch,
        "batches": known.batches,
        "value": known.value,
        "callbacks": dict(known.callbacks),
        "order": order,
        "sha256": digest,
    }


def _checkpoint(path: str, record: Dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        path=path,
        order=record["order"],
        epoch=record["epoch"],
        batches_of_epoch=record["batchesOfEpoch"],
        batches=record["batches"],
        value=record["value"],
        callbacks=record["callbacks"],
    )


def _free_name(name: str, taken: Sequence[str]) -> str:
    """A run that saves what is there already, from a run before it, takes another name: that one stays as it is."""
    free, version = name, 1
    while free in taken or f"{free}.json" in taken:
        version += 1
        free = f"{name}-v{version}"
    return free


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.remove(path)
