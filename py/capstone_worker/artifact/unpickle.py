"""The pickle inside a model file, run by a machine that can build dicts, lists and tensors and nothing else.

Python's unpickler calls whatever the file names, and even a restricted one lets BUILD set attributes and PUT
size its memo. This machine knows only the instructions torch.save writes, as torch's own weights_only reader
does (torch/_weights_only_unpickler.py), looks every global up in one short table, never imports it, and
hands no object out that an instruction could change behind its back.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

MAX_BYTES = 64 * 2**20  # a ViT-B/16 state_dict has 20 kB of pickle; optimizers' lists are the largest seen
MAX_OPCODES = 2_000_000

LoadStorage = Callable[[torch.dtype, str, int], Tensor]
"""(dtype, key, elements) -> the storage as a tensor of shape (elements,)."""

_DTYPES = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}


class PickleError(Exception):
    """The pickle asks for something a state_dict does not need; `code` is the name of the refusal."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep what the reader turns into a UserError with the file's name."""
        super().__init__(reason)
        self.code = code
        self.reason = reason


def unpickle(data: bytes, load_storage: LoadStorage) -> Any:  # noqa: ANN401 - whatever the file holds
    """The object in a protocol 2 pickle: dicts, lists, tuples, strings, numbers and tensors.

    OrderedDict becomes dict; attributes set on it (state_dict's `_metadata`) and requires_grad are dropped.

    Raises:
        PickleError: too long, malformed, an unknown instruction, a global that is no part of a state_dict,
            or a tensor that reaches outside its storage.
    """
    if len(data) > MAX_BYTES:
        raise PickleError("model_pickle_too_long", f"its pickle is longer than {MAX_BYTES} bytes")
    machine = _Machine(load_storage)
    try:
        for opcode, argument, _ in instructions(data):
            machine.step(opcode.name, argument)
        (result,) = machine.stack
    except (ValueError, TypeError, LookupError, OverflowError, RuntimeError) as error:
        # malformed streams; the last two are torch's, for numbers beyond 64 bits
        raise PickleError("model_pickle_invalid", f"its pickle is malformed ({error})") from None
    return result


def instructions(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    """Of a pickle, as `pickletools.genops` reads them.

    Raises:
        PickleError: ``model_pickle_too_long``.
        ValueError: it is malformed.
    """
    for count, instruction in enumerate(pickletools.genops(data)):
        if count == MAX_OPCODES:
            raise PickleError("model_pickle_too_long", f"its pickle has more than {MAX_OPCODES} instructions")
        yield instruction


class _Machine:
    """The pickle machine: a stack, the stacks below each open mark, and a memo."""

    def __init__(self, load_storage: LoadStorage) -> None:
        self.stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._load_storage = load_storage

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401 - of any type
        stack = self.stack
        match name:
            case "PROTO" | "STOP":
                pass
            case "GLOBAL":
                stack.append(_find_class(argument))
            # Python 2 wrote strings as SHORT_BINSTRING.
            case "BINUNICODE" | "SHORT_BINSTRING" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop_many(int(name[-1]))))
            case "MARK":
                self._below.append(stack)
                self.stack = []
            case "TUPLE":
                items = tuple(self._pop_mark())
                self.stack.append(items)
            case "SETITEM":
                self._set_items(self._pop_many(2))
            case "SETITEMS":
                self._set_items(self._pop_mark())
            case "APPEND":
                self._extend(self._pop_many(1))
            case "APPENDS":
                self._extend(self._pop_mark())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                function, arguments = self._pop_many(2)
                stack.append(_call(function, arguments))
            case "BUILD":
                target, _ = self._pop_many(2)
                stack.append(_expect(dict, target))
            case _:
                raise PickleError("model_forbidden_opcode", f"its pickle uses the instruction {name}")

    def _pop_many(self, count: int) -> list[Any]:
        items = [self.stack.pop() for _ in range(count)]
        return items[::-1]

    def _pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self._below.pop()
        return items

    def _set_items(self, items: list[Any]) -> None:
        target = _expect(dict, self.stack[-1])
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):  # hashing a deeply nested tuple overflows the C stack
                raise TypeError("a key is no string and no number")
            target[key] = value

    def _extend(self, items: list[Any]) -> None:
        _expect(list, self.stack[-1]).extend(items)

    def _storage(self, identity: object) -> _Storage:
        # The sixth, in the stream from before 1.6 alone: the storage is a part of another one.
        kind, dtype, key, _, elements, *part = _expect(tuple, identity)
        if kind != "storage" or part not in ([], [None]):
            raise TypeError("a persistent id names no storage of its own")
        return _Storage(
            self._load_storage(_expect(torch.dtype, dtype), _expect(str, key), _expect(int, elements))
        )


class _Storage:
    """A storage on the stack: no tensor yet, so that nothing but rebuilding takes it for one."""

    __slots__ = ("elements",)

    def __init__(self, elements: Tensor) -> None:
        self.elements = elements


def _find_class(name: str) -> Any:  # noqa: ANN401 - a dtype or one of our functions
    """What stands for the global "module name"; the file's own is never imported."""
    if name in _GLOBALS:
        return _GLOBALS[name]
    raise PickleError("model_forbidden_global", f"its pickle asks for {name.replace(' ', '.')}")


def _call(function: object, arguments: object) -> object:
    if function not in (_new_dict, _rebuild_tensor, _rebuild_parameter):
        raise TypeError("something is called that is no function")
    return function(*_expect(tuple, arguments))


def _new_dict() -> dict[object, object]:
    return {}


def _rebuild_parameter(data: object, requires_grad: object, hooks: object) -> object:
    return _expect(Tensor, data)


def _rebuild_tensor(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    requires_grad: object = False,
    hooks: object = None,
    metadata: object = None,
) -> Tensor:
    """A tensor over its storage; refused where it reaches outside or holds more elements than it.

    The second refusal keeps a file of a few bytes from standing for gigabytes through a stride of 0.
    """
    elements = _expect(_Storage, storage).elements
    shape = [_expect(int, length) for length in _expect(tuple, size)]
    strides = [_expect(int, step) for step in _expect(tuple, stride)]
    start = _expect(int, offset)
    if len(shape) != len(strides) or len(shape) > 64 or min([start, *shape, *strides]) < 0:
        raise TypeError("a tensor has an impossible shape")
    count = 1
    for length in shape:
        count *= length
    last = start + sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    if count > len(elements) or (count and last >= len(elements)):
        raise PickleError("model_tensor_outside", "a tensor reaches outside its storage")
    tensor: Tensor = elements.as_strided(shape, strides, start) if count else elements.new_empty(shape)
    return tensor


def _expect(kind: type, value: object) -> Any:  # noqa: ANN401 - a value of that type
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} stands where {kind.__name__} belongs")
    return value


_GLOBALS: dict[str, object] = {
    **_DTYPES,
    "collections OrderedDict": _new_dict,
    "torch._utils _rebuild_tensor": _rebuild_tensor,  # before torch 0.4
    "torch._utils _rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils _rebuild_parameter": _rebuild_parameter,
}
