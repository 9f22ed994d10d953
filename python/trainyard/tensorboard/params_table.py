"""Params as TensorBoard takes them: a flat list of names and values."""
from __future__ import annotations

import json
import re
from typing import Any, Dict, Mapping, Union

from ..number_text import number_text

Hyperparameter = Union[float, str, bool]

_MAX_DEPTH = 8


def flat_params(params: Mapping[str, Any], prefix: str = "") -> Dict[str, Hyperparameter]:
    """Params of a mapping within one are `outer.inner`; what is no number, text or truth value is its JSON."""
    flat: Dict[str, Hyperparameter] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, (int, float, str)):
            flat[name] = value
        elif isinstance(value, Mapping) and len(prefix.split(".")) <= _MAX_DEPTH:
            flat.update(flat_params(value, f"{name}."))
        else:
            flat[name] = _json_text(value)
    return flat


def params_table(params: Mapping[str, Hyperparameter]) -> str:
    """A table in Markdown."""
    rows = [f"| {_cell(name)} | {_cell(_text(value))} |" for name, value in params.items()]
    return "\n".join(["| param | value |", "| --- | --- |", *rows])


def _text(value: Hyperparameter) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_text(value)


def _json_text(value: object) -> str:
    """Also of what JSON has no words for, such as objects and what contains itself."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _cell(text: str) -> str:
    return re.sub(r"\r?\n", " ", text.replace("\\", "\\\\").replace("|", "\\|"))
