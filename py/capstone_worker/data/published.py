"""The data sets whose files torchvision names by URL and MD5: known before they are here.

published.json beside this file repeats torchvision's constants, because TypeScript plans without Python; a
test compares the two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """Where one data set's files come from and what they must be.

    Attributes:
        url: of the archive.
        archive: its file name.
        archive_md5: of its bytes.
        archive_bytes: how many these are.
        folder: the folder in it that holds the files below.
        train: file name -> MD5; pickled batches, in the order of their images.
        test: as train.
        meta: the one file that names the classes.
        labels_key: of a batch's labels.
        classes_key: of the class names in meta.
    """

    url: str
    archive: str
    archive_md5: str
    archive_bytes: int
    folder: str
    train: Mapping[str, str]
    test: Mapping[str, str]
    meta: Mapping[str, str]
    labels_key: str
    classes_key: str

    @property
    def md5s(self) -> dict[str, str]:
        """File name -> MD5, of all files in the folder that matter."""
        return {**self.train, **self.test, **self.meta}

    def digest(self) -> str:
        r"""SHA-256 that stands for the content: over ``<folder>/<file>\0<MD5>\n``, sorted; src/store too."""
        lines = sorted(f"{self.folder}/{file}\0{md5}\n" for file, md5 in self.md5s.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()


PUBLISHED: dict[str, Published] = {
    name: Published(**entry)
    for name, entry in json.loads(
        Path(__file__).with_name("published.json").read_text(encoding="utf-8")
    ).items()
}
