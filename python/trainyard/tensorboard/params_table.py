"""Params as a table in Markdown."""
from __future__ import annotations

import re
from typing import Mapping

from ..param_text import FlatParam, param_text


def params_table(params: Mapping[str, FlatParam]) -> str:
    rows = [f"| {_cell(name)} | {_cell(param_text(value))} |" for name, value in params.items()]
    return "\n".join(["| param | value |", "| --- | --- |", *rows])


def _cell(text: str) -> str:
    return re.sub(r"\r?\n", " ", text.replace("\\", "\\\\").replace("|", "\\|"))
