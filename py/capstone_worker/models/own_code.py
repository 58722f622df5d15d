"""Networks that code of the user's own makes.

It is executed: whoever makes a task with code in it was allowed to (`--trust-code`), and the file must still
be the one that was allowed. What it makes is recorded as a graph: files made from it are opened without code.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..graph.codec import to_json
from ..graph.trace import trace

CUSTOM = "custom"
"""Architecture and family of every network of the user's own; the same as CUSTOM in src/spec/names.ts."""

_BATCHES = (2, 3)
"""A graph that has recorded the size of one batch fails with another."""


@dataclass(frozen=True)
class Code:
    """A function in a Python file.

    Attributes:
        path: of the file.
        function: its name there.
        sha256: of the file, in lower-case hex.
    """

    path: Path
    function: str
    sha256: str

    def as_json(self) -> dict[str, str]:
        """What `from_json` reads."""
        return {"path": str(self.path), "function": self.function, "sha256": self.sha256}

    @classmethod
    def from_json(cls, said: Mapping[str, str]) -> Code:
        """The code of `as_json`."""
        return cls(Path(said["path"]), said["function"], said["sha256"])

    def __str__(self) -> str:
        """As a spec has it, without the folder."""
        return f"{self.path.name}:{self.function}"


def code_of(task: Mapping[str, Any]) -> Code | None:
    """The code that a task may execute, as in schema/task.schema.json."""
    if "code" not in task["spec"]:
        return None
    said = task["spec"]["code"]
    return Code(Path(task["paths"]["code"]), said["function"], said["sha256"])


def find_function(code: Code) -> Callable[..., object]:
    """Execute the file and find the function in it.

    Raises:
        UserError: ``code_missing``, ``code_changed``, ``code_failed``, ``code_no_function``.
    """
    try:
        source = code.path.read_bytes()
    except OSError as error:
        raise UserError(
            "code_missing", f"{code.path} cannot be read: {error.strerror}", 'Check the path in "code"'
        ) from None
    if sha256(source).hexdigest() != code.sha256:
        raise UserError(
            "code_changed",
            f"{code.path} has changed since the task was planned",
            "Run the same command again: it plans anew with what is there now",
        )
    # These very bytes are executed. Other modules cannot import it, and nothing is written beside it.
    module = ModuleType(f"_capstone_code_{code.sha256}")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # dataclasses and typing look their own module up
    try:
        exec(compile(source, str(code.path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise _failed(code, error, "the file cannot be imported") from error
    function = getattr(module, code.function, None)
    if not callable(function):
        raise UserError(
            "code_no_function",
            f"{code.path}: there is no function {code.function} in it",
            'Name one that is there in "code", such as '
            f"{code.path.name}:{_some_function(module) or 'my_network'}",
        )
    return function  # type: ignore[no-any-return]


def make_network(
    code: Code, function: Callable[..., object], *, num_classes: int | None, image_size: int, seed: int
) -> tuple[nn.Module, int]:
    """Call the function and check what it makes; the network in training mode, and its number of outputs.

    torch's own generator is as it was afterwards. The network takes normalised images float32
    (N, 3, image_size, image_size) and gives logits (N, outputs); its graph is one that a file may hold.

    Args:
        code: where the function comes from, for messages.
        function: called with ``num_classes=``, where it takes it, else without arguments.
        num_classes: None: as the function has it.
        image_size: in pixels.
        seed: of torch's generator while it runs.

    Raises:
        UserError: ``code_failed``, ``code_not_a_module``, ``code_wrong_shape``, ``graph_not_traceable``,
            ``graph_not_allowed``.
    """
    arguments = {"num_classes": num_classes} if num_classes and _takes_classes(function) else {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            module = function(**arguments)
        except (Exception, SystemExit) as error:
            called = ", ".join(f"{name}={value}" for name, value in arguments.items())
            raise _failed(code, error, f"{code.function}({called}) failed") from error
        if not isinstance(module, nn.Module):
            raise UserError(
                "code_not_a_module",
                f"{code.path}: {code.function} gives a {type(module).__name__}, expected a torch.nn.Module",
                "Return the network itself",
            )
        outputs = _check(code, module.eval(), image_size)
    return module.train(), outputs


def check_outputs(code: Code, found: int, expected: int | None, who: str) -> None:
    """Refuse a network with another number of outputs than expected; None: any will do.

    Args:
        code: what made it.
        found: its outputs.
        expected: how many there should be.
        who: says so, for the message.

    Raises:
        UserError: ``model_wrong_classes``.
    """
    if expected is not None and found != expected:
        raise UserError(
            "model_wrong_classes",
            f"{code.path}: the network of {code.function} has {found} outputs, {who} {expected}",
            "Let the function take num_classes and make that many outputs",
        )


def _check(code: Code, module: nn.Module, image_size: int) -> int:
    """The network runs, and the same as its graph."""
    batches = [torch.randn(count, 3, image_size, image_size) for count in _BATCHES]
    try:
        with torch.no_grad():
            said = [module(batch) for batch in batches]
    except Exception as error:
        raise _failed(code, error, f"the network fails on images of {image_size} pixels") from error
    expected = f"(N, classes) for (N, 3, {image_size}, {image_size})"
    for batch, logits in zip(batches, said, strict=True):
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(batch):
            found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
            raise UserError(
                "code_wrong_shape",
                f"{code.path}: the network of {code.function} gives {found} for {len(batch)} images, "
                f"expected {expected}",
                "Return logits, one row for each image",
            )
    try:
        network = trace(module)
        to_json(network)
        with torch.no_grad():
            recorded = [network(batch) for batch in batches]
    except UserError as error:
        raise UserError(error.code, f"{code.path}: {error.message}", error.hint) from error
    except Exception as error:
        raise _other_graph(code, str(error).partition("\n")[0]) from error
    if not all(map(_is_close, said, recorded)):
        raise _other_graph(code, "it computes something else")
    return int(said[0].shape[1])


def _other_graph(code: Code, reason: str) -> UserError:
    return UserError(
        "graph_not_traceable",
        f"{code.path}: the network of {code.function} and its recorded graph differ: {reason}",
        "Its forward may depend on nothing but the images: no size of a batch written down, no randomness",
    )


def _is_close(said: Tensor, recorded: object) -> bool:
    return (
        isinstance(recorded, Tensor)
        and recorded.shape == said.shape
        and torch.allclose(said, recorded, rtol=1e-3, atol=1e-4, equal_nan=True)
    )


def _takes_classes(function: Callable[..., object]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # of what is not written in Python
        return False
    named = parameters.get("num_classes")
    if named is not None:
        return named.kind is not inspect.Parameter.POSITIONAL_ONLY
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def _some_function(module: ModuleType) -> str | None:
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    return own[-1] if own else None


def _failed(code: Code, error: BaseException, what: str) -> UserError:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(code.path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    place = f"{code.path}, line {line}" if line else str(code.path)
    reason = str(error).strip().partition("\n")[0]
    hint = "Correct it there, and run the same command again"
    if isinstance(error, ModuleNotFoundError):
        hint = (
            "Put all of it into this one file: neighbours are not found; packages are imported as they are "
            "installed beside torch"
        )
    return UserError("code_failed", f"{place}: {what}: {type(error).__name__}: {reason}", hint)
