"""Size and channels of a PNG."""
from __future__ import annotations

import struct
from typing import Tuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 33

#: By colour type: grey, RGB, palette, grey with alpha, RGB with alpha.
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def png_head(png: bytes) -> Tuple[int, int, int]:
    """Width, height and channels, from its first chunk (PNG specification, 5.2 and 11.2.2). Raises TypeError for no PNG."""
    channels = _CHANNELS.get(png[25]) if len(png) >= _HEAD_BYTES else None
    if channels is None or png[:8] != _SIGNATURE:
        raise TypeError("The image is no PNG; encode it as one first.")
    width, height = struct.unpack(">II", png[16:24])
    return width, height, channels
