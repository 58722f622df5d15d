"""A small data set on disk and a cache of one's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "capstone"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, 3 training and 2 test images each, 8x8, among files that are no images."""
    root = tmp_path / "data" / "pets"
    random = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 2)):
        for label in ("cat", "dog"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
            (folder / "notes.txt").write_text("no image")
            (folder / ".hidden.png").write_text("no image")
        (root / split / ".git").mkdir()
    return root
