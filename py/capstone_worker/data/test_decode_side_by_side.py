from __future__ import annotations

import multiprocessing
import time

import numpy as np

from .decode import SplitReader
from .decode_side_by_side import CHUNK, decoding
from .picture import Pixels


def test_in_order_and_not_far_ahead() -> None:
    decoded = multiprocessing.Value("i", 0)

    def decode(index: int) -> Pixels:
        with decoded.get_lock():
            decoded.value += 1
        return np.full((3, 1, 1), index % 251, np.uint8)

    count = 20 * CHUNK + 3
    reader = SplitReader(np.zeros(count, np.int64), ("a",), decode)
    with decoding(reader, range(count), workers=2) as chunks:
        first = next(chunks)
        time.sleep(0.5)  # in which all could be decoded
        assert decoded.value <= 5 * CHUNK
        images = [*first, *(image for chunk in chunks for image in chunk)]
    assert [int(image[0, 0, 0]) for image in images] == [index % 251 for index in range(count)]  # type: ignore[index]
