"""Events of TensorBoard as bytes.

Field numbers are those of `event.proto`, `summary.proto` and `tensor.proto` of TensorBoard (tensorboard/compat/proto)
and of its plugin's `hparams/plugin_data.proto`.
"""
from __future__ import annotations

from typing import Mapping, Optional, Sequence

from ..param_text import FlatParam
from . import protobuf as field
from .histogram import Histogram
from .png_head import png_head

_DATA_TENSOR = 2
_TYPE_FLOAT = 1
_TYPE_STRING = 7


def file_version_event(time_ms: int) -> bytes:
    """The first event of a file."""
    return field.double(1, time_ms / 1000) + field.text(3, "brain.Event:2")


def summary_event(time_ms: int, step: int, values: Sequence[bytes]) -> bytes:
    """Values under their tags, at any whole number of the x-axis."""
    summary = field.message(5, *(field.octets(1, value) for value in values))
    return field.double(1, time_ms / 1000) + field.integer(2, step) + summary


def scalar_value(tag: str, value: float) -> bytes:
    """Kept with the precision of 32 bits, as TensorBoard reads it."""
    return field.text(1, tag) + field.single(2, value)


def histogram_value(tag: str, histogram: Histogram) -> bytes:
    return field.text(1, tag) + field.message(
        5,
        field.double(1, histogram.min),
        field.double(2, histogram.max),
        field.double(3, histogram.count),
        field.double(4, histogram.sum),
        field.double(5, histogram.sum_of_squares),
        field.packed_doubles(6, histogram.limits),
        field.packed_doubles(7, histogram.counts),
    )


def image_value(tag: str, png: bytes) -> bytes:
    """Raises TypeError when the bytes are no PNG."""
    width, height, channels = png_head(png)
    return field.text(1, tag) + field.message(
        4, field.integer(1, height), field.integer(2, width), field.integer(3, channels), field.octets(4, png)
    )


def text_value(tag: str, text: str) -> bytes:
    """Markdown, shown as such."""
    one_text = field.message(2, field.message(2, field.integer(1, 1)))
    return b"".join(
        (
            field.text(1, f"{tag}/text_summary"),
            field.message(9, _plugin_data("text"), field.integer(4, _DATA_TENSOR)),
            field.message(8, field.integer(1, _TYPE_STRING), one_text, field.text(8, text)),
        )
    )


def hparams_start_value(hparams: Mapping[str, FlatParam], started_at_ms: int) -> bytes:
    """What a run was started with. Of one run, TensorBoard takes the first."""
    entries = (
        field.message(1, field.text(1, name), field.message(2, _struct_value(value))) for name, value in hparams.items()
    )
    info = field.message(3, *entries, field.double(5, started_at_ms / 1000))
    return _hparams_value("_hparams_/session_start_info", info)


def hparams_end_value(is_success: bool, ended_at_ms: int) -> bytes:
    info = field.message(4, field.integer(1, 1 if is_success else 2), field.double(2, ended_at_ms / 1000))
    return _hparams_value("_hparams_/session_end_info", info)


def _hparams_value(tag: str, content: bytes) -> bytes:
    """All that counts is in the metadata; the tensor beside it is empty."""
    version = field.integer(1, 0)
    nothing = field.message(2, field.message(2, field.integer(1, 0)))
    return b"".join(
        (
            field.text(1, tag),
            field.message(9, _plugin_data("hparams", version + content), field.integer(4, _DATA_TENSOR)),
            field.message(8, field.integer(1, _TYPE_FLOAT), nothing),
        )
    )


def _plugin_data(name: str, content: Optional[bytes] = None) -> bytes:
    return field.message(1, field.text(1, name), b"" if content is None else field.octets(2, content))


def _struct_value(value: FlatParam) -> bytes:
    """`google.protobuf.Value`."""
    if isinstance(value, bool):
        return field.integer(4, int(value))
    return field.text(3, value) if isinstance(value, str) else field.double(2, value)
