"""The program's side of the files by which people outside pause it and change its params (docs/guides/programs.md)."""
from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Optional, Tuple


class ControlFiles:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    @staticmethod
    def of_attempt(env: Mapping[str, str]) -> Optional[ControlFiles]:
        """Those of the attempt that the program is; None outside of Trainyard."""
        directory = env.get("TRAINYARD_ATTEMPT_DIR", "")
        return None if directory == "" else ControlFiles(directory)

    def word(self) -> str:
        """What the program is to do; `run` when nobody has said anything."""
        return self._read("control").strip() or "run"

    def answer(self, word: str, step: Optional[int] = None, checkpoint: Optional[str] = None) -> None:
        answer: Dict[str, Any] = {"word": word}
        if step is not None:
            answer["step"] = step
        if checkpoint is not None:
            answer["checkpoint"] = checkpoint
        self._write("control.ack", answer)

    def param_update(self) -> Optional[Tuple[int, Dict[str, Any]]]:
        """Number of the change, and all params that were changed so far; None when there are none."""
        try:
            update = json.loads(self._read("params-update.json"))
            revision, params = update["revision"], update["params"]
        except (ValueError, KeyError, TypeError):
            return None
        return (revision, params) if isinstance(revision, int) and isinstance(params, dict) else None

    def answer_params(
        self, revision: int, accepted: Mapping[str, Any], rejected: Mapping[str, str], step: int
    ) -> None:
        answer = {"revision": revision, "accepted": dict(accepted), "rejected": dict(rejected), "step": step}
        self._write("params-update.ack.json", answer)

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._directory, name), encoding="utf-8") as file:
                return file.read()
        except OSError:
            return ""

    def _write(self, name: str, answer: Mapping[str, Any]) -> None:
        """Whole at once, so that nobody reads half of it."""
        path = os.path.join(self._directory, name)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            json.dump(answer, file)
        os.replace(f"{path}.new", path)
