"""Task keys: what decides whether an output is up to date.

src/plan/key.ts builds the same object and says of each part why it can change a result;
schema/keys.golden.json holds both to the same digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import rfc8785

from . import schema

_SOFTWARE = ("torch", "torchvision", "numpy")


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """A JSON value as RFC 8785 writes it, in UTF-8: the same bytes in every language.

    Raises:
        rfc8785.CanonicalizationError: NaN, infinity, a whole number beyond ±(2**53 - 1), a lone surrogate.
    """
    return rfc8785.dumps(value)


def task_key(task: Mapping[str, Any], software: Mapping[str, str]) -> str:
    """SHA-256, in lower-case hex, of everything that can change what a task makes.

    Args:
        task: as in schema/task.schema.json, resolved; its `key`, `id` and `paths` do not matter.
        software: versions of torch, torchvision and numpy, as `software_versions`.
    """
    fingerprint = {
        "step": task["kind"],
        "spec": task["spec"],
        "inputs": task["inputs"],
        "threads": task["threads"],
        "versions": _versions(task),
        "software": {name: software[name] for name in _SOFTWARE},
    }
    if task["kind"] == "benchmark":
        fingerprint["cpu"] = task["cpu"]
    return hashlib.sha256(canonical(fingerprint)).hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of torch, torchvision and numpy as installed, without importing them."""
    return {name: version(name) for name in _SOFTWARE}


def _versions(task: Mapping[str, Any]) -> dict[str, int]:
    if task["kind"] == "compress":
        steps = [step["step"] for step in task["spec"]["recipe"]["steps"]]
        return {step: schema.step_rules(step)["x-version"] for step in steps}
    return {task["kind"]: schema.job_version(task["kind"])}
