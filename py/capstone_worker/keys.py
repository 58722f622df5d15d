"""Task keys: what decides whether an output is up to date.

src/plan/key.ts builds the same object and says of each part why it can change a result;
schema/keys.golden.json holds both to the same digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import rfc8785

from . import schema

_SOFTWARE = ("torch", "torchvision", "numpy")
_RUNTIMES = ("onnxruntime", "openvino")


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """A JSON value as RFC 8785 writes it, in UTF-8: the same bytes in every language.

    Raises:
        rfc8785.CanonicalizationError: NaN, infinity, a whole number beyond ±(2**53 - 1), a lone surrogate.
    """
    return rfc8785.dumps(value)


def task_key(task: Mapping[str, Any], software: Mapping[str, str | None]) -> str:
    """SHA-256, in lower-case hex, of everything that can change what a task makes.

    Args:
        task: as in schema/task.schema.json, resolved; its `key`, `id` and `paths` do not matter.
        software: as `installed_versions`.
    """
    names = (*_SOFTWARE, *_RUNTIMES) if task["kind"] == "benchmark" else _SOFTWARE
    fingerprint = {
        "step": task["kind"],
        "spec": task["spec"],
        "inputs": task["inputs"],
        "threads": task["threads"],
        "versions": _versions(task),
        "software": {name: software[name] for name in names},
    }
    if task["kind"] == "benchmark":
        fingerprint["cpu"] = task["cpu"]
    return hashlib.sha256(canonical(fingerprint)).hexdigest()


def software_versions() -> dict[str, str]:
    """Versions of torch, torchvision and numpy as installed, without importing them."""
    return {name: version(name) for name in _SOFTWARE}


def installed_versions() -> dict[str, str | None]:
    """These, and those of the runtimes besides torch; None of one that is not installed."""
    versions: dict[str, str | None] = {**software_versions()}
    for name in _RUNTIMES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _versions(task: Mapping[str, Any]) -> dict[str, int]:
    if task["kind"] == "compress":
        steps = [step["step"] for step in task["spec"]["recipe"]["steps"]]
        return {step: schema.step_rules(step)["x-version"] for step in steps}
    return {task["kind"]: schema.job_version(task["kind"])}
