"""What a model file says of its making, apart from its network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..keys import software_versions
from ..schema import PACKAGE_ROOT


def common(task: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that every task writes alike, as in schema/record.schema.json.

    The bytes of a file are made of it: it must not depend on the time, the host or the file's place.
    """
    package = json.loads((PACKAGE_ROOT / "package.json").read_text(encoding="utf-8"))
    return {
        "key": task["key"],
        "seed": task["spec"]["seed"],
        "threads": task["threads"],
        "versions": {"capstone": package["version"], **software_versions()},
    }
