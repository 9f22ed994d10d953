"""Params as trackers keep them that know names and texts only."""
from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Union

from .number_text import number_text

FlatParam = Union[float, str, bool]

_MAX_DEPTH = 8


def flat_params(params: Mapping[str, Any], prefix: str = "") -> Dict[str, FlatParam]:
    """Params of a mapping within one are `outer.inner`; what is no number, text or truth value is its JSON."""
    flat: Dict[str, FlatParam] = {}
    for key, value in params.items():
        name = f"{prefix}{key}"
        if isinstance(value, (int, float, str)):
            flat[name] = value
        elif isinstance(value, Mapping) and len(prefix.split(".")) <= _MAX_DEPTH:
            flat.update(flat_params(value, f"{name}."))
        else:
            flat[name] = _json_text(value)
    return flat


def param_text(value: FlatParam) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else number_text(value)


def _json_text(value: object) -> str:
    """Also of what JSON has no words for, such as objects and what contains itself."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)
