"""Model files that were damaged or made to harm, each read in a process of its own: 2,000 of them by default.

Changed at random or on purpose: bits flipped, files cut, bytes put in, taken out and overwritten, records
doubled, added and compressed, pickles that call os.system and pickles of millions of instructions, in a zip
and in torch's legacy form, TorchScript, and records and payloads rewritten with true checksums. Prints for
each kind how many were refused and by which codes, and the bars: nothing executed; none read as another
network than was saved (but for files with true checksums, which are whoever's who made them); no error but a
refusal; at most 5 s of CPU, at most 200 MB above an idle process. Exits 1 where one is missed. The same seed
gives the same files.

    python benchmarks/hostile_files.py [--count N] [--seed S]
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pickle
import random
import resource
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "py"))

from capstone_worker.artifact.entropy_coding import deflated
from capstone_worker.artifact.pack import Quantized, dequantized
from capstone_worker.artifact.packed_layout import BITS
from capstone_worker.artifact.read import read_model
from capstone_worker.artifact.write import model_bytes
from capstone_worker.errors import UserError
from capstone_worker.graph.trace import trace
from capstone_worker.models.build import build
from capstone_worker.models.file import load_model, save_model
from capstone_worker.models.packed import Packing, mark

SECONDS, MEGABYTES = 5.0, 200
LIMIT = 600 * 2**20  # of address space above idle: what asks for more than this fails by MemoryError
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
RECORD = {"model": {"arch": "resnet20", "num_classes": 10, "image_size": 32}}


@dataclass(frozen=True)
class Original:
    """A file of ours, and what its network is."""

    data: bytes
    digest: str


@dataclass(frozen=True)
class Hostile:
    """A changed file; `original` is what it must be where it is read at all, None: anything."""

    kind: str
    data: bytes
    original: Original | None


@dataclass(frozen=True)
class Outcome:
    """What came of reading: the code of a refusal, ``read``, or what went wrong (in capitals)."""

    code: str
    seconds: float
    megabytes: float


def originals(folder: Path) -> list[Original]:
    """A ResNet-20, plain and packed."""
    found = []
    for is_packed in (False, True):
        network = trace(build("resnet20", num_classes=10, stem="cifar", image_size=32, seed=0).eval())
        if is_packed:
            quantized = {}
            for index, (name, weight) in enumerate(network.state_dict().items()):
                if weight.ndim > 1:
                    bits = BITS[index % len(BITS)]
                    rows = weight.flatten(1)
                    scale = rows.abs().amax(1) / (2 ** (bits - 1) - 1)
                    integers = (rows / scale[:, None]).round().to(torch.int8).view(weight.shape)
                    weight.copy_(dequantized(integers, scale))
                    quantized[name] = Quantized(bits, scale)
            mark(network, Packing(quantized, "deflate"))
        path = folder / "original.pt"
        save_model(path, network, RECORD)
        found.append(Original(path.read_bytes(), digest_of(path)))
    return found


def digest_of(path: Path) -> str:
    """Of the network and the record in a file."""
    loaded = load_model(path)
    digest = hashlib.sha256(json.dumps(loaded.record, sort_keys=True).encode())
    for name, tensor in loaded.network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def flipped(original: Original, draw: random.Random, canary: str) -> bytes:
    """A few bits, anywhere."""
    data = bytearray(original.data)
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def flipped_outside_tensors(original: Original, draw: random.Random, canary: str) -> bytes:
    """Headers, pickle, directory: the 4 kB at either end."""
    data = bytearray(original.data)
    at = draw.randrange(8192)
    data[at if at < 4096 else len(data) - 8192 + at] ^= 1 << draw.randrange(8)
    return bytes(data)


def cut(original: Original, draw: random.Random, canary: str) -> bytes:
    """Anywhere, and near the end."""
    size = len(original.data)
    return original.data[: draw.choice((draw.randrange(size), size - 1 - draw.randrange(200)))]


def shifted(original: Original, draw: random.Random, canary: str) -> bytes:
    """Bytes put in, taken out or overwritten."""
    data, length = original.data, draw.choice((1, 4, 64, 4096))
    at = draw.choice((0, len(data), draw.randrange(len(data))))
    noise = draw.choice((bytes(length), draw.randbytes(length), b"\xff" * length, data[at : at + length]))
    taken = draw.choice((0, length))
    return data[:at] + draw.choice((noise, b"")) + data[at + taken :] + (b"" if taken else noise[:1])


def records(original: Original) -> dict[str, bytes]:
    """The records of the file, by their full names."""
    with zipfile.ZipFile(io.BytesIO(original.data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The records as a zip; names may come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two records with one name
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def doubled(original: Original, draw: random.Random, canary: str) -> bytes:
    """Two records of one name, or of one but for its case; the second says something else."""
    entries = list(records(original).items())
    name, data = draw.choice(entries)
    folder, _, rest = name.partition("/")
    other = draw.choice((name, f"{folder}/{rest.upper()}", f"{folder.upper()}/{rest}"))
    content = draw.choice((data, b"", evil_pickle(draw, canary)))
    entries.insert(draw.randrange(len(entries) + 1), (other, content))
    return zipped(entries)


def compressed(original: Original, draw: random.Random, canary: str) -> bytes:
    """Deflated records, some of them bombs."""
    entries = dict(records(original))
    name = draw.choice(list(entries))
    if draw.random() < 0.5:
        entries[name] = bytes(draw.choice((10**6, 10**8)))
    return zipped(list(entries.items()), zipfile.ZIP_DEFLATED)


def evil_pickle(draw: random.Random, canary: str) -> bytes:
    """os.system by each instruction that can call or import something."""
    command = f"touch {canary}".encode()
    text = b"X" + len(command).to_bytes(4, "little") + command
    module, function = draw.choice(
        ((b"os", b"system"), (b"posix", b"system"), (b"builtins", b"exec"), (b"subprocess", b"getoutput"))
    )
    named = b"c" + module + b"\n" + function + b"\n"
    by_stack = b"\x8c" + bytes([len(module)]) + module + b"\x8c" + bytes([len(function)]) + function + b"\x93"
    call = draw.choice(
        (
            named + text + b"\x85R",
            b"(" + text + b"i" + module + b"\n" + function + b"\n",
            b"(" + named + text + b"o",
            named + text + b"\x85\x81",
            named + b")" + b"R" + text + b"b",
            by_stack + text + b"\x85R",
            b"ctorch._utils\n_rebuild_tensor_v2\n" + named + text + b"\x85R" + b"\x85R",
            b"}" + text + named + text + b"\x85Rs",
            b"ctorch.jit._serialization\nload\n" + text + b"\x85R",
            b"cnumpy.core.multiarray\n_reconstruct\n" + named + text + b"\x85R\x85R",
        )
    )
    return draw.choice((b"\x80\x02", b"\x80\x04", b"")) + call + b"."


def evil_zip(original: Original, draw: random.Random, canary: str) -> bytes:
    """The file with another pickle."""
    entries = records(original)
    entries["archive/data.pkl"] = evil_pickle(draw, canary)
    return zipped(list(entries.items()))


class _Call:
    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def legacy(original: Original, draw: random.Random, canary: str) -> bytes:
    """torch's format before 1.6, as torch writes it or by hand."""
    if draw.random() < 0.5:
        buffer = io.BytesIO()
        torch.save({"w": _Call(canary)}, buffer, _use_new_zipfile_serialization=False)
        return buffer.getvalue()
    head = pickle.dumps(LEGACY_MAGIC, 2) + pickle.dumps(1001, 2)
    return head + evil_pickle(draw, canary) * draw.randrange(1, 4)


def endless(original: Original, draw: random.Random, canary: str) -> bytes:
    """Millions of instructions in a few megabytes, in the pickle of either form."""
    once = draw.choice((b"N0", b"(", b"(1", b"]", b"}", b"K\x01", b"Nq\x00", b")", b"\x88"))
    content = b"\x80\x02" + once * draw.choice((10**5, 10**6, 5 * 10**6)) + b"."
    if draw.random() < 0.5:
        return zipped([*{**records(original), "archive/data.pkl": content}.items()])
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(part, 2) for part in (LEGACY_MAGIC, 1001, machine)) + content


def torchscript(original: Original, draw: random.Random, canary: str) -> bytes:
    """A program, or a record that would make readers take the file for one."""
    if draw.random() < 0.3:
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
        return buffer.getvalue()
    entries = list(records(original).items())
    name = draw.choice(("constants.pkl", "CONSTANTS.PKL", "code/__torch__.py"))
    entries.insert(draw.randrange(len(entries) + 1), (f"archive/{name}", evil_pickle(draw, canary)))
    return zipped(entries)


def resealed(original: Original, draw: random.Random, canary: str) -> bytes:
    """Any record changed, with true checksums."""
    entries = records(original)
    name = draw.choice(
        ("archive/data.pkl", "archive/capstone.json", "archive/capstone.json", "archive/data/0")
    )
    data = bytearray(entries[name])
    for _ in range(draw.choice((1, 1, 4))):
        at = draw.randrange(len(data))
        data[at] = draw.choice((data[at] ^ (1 << draw.randrange(8)), draw.randrange(256)))
    if draw.random() < 0.2:
        data = data[: draw.randrange(len(data))]
    entries[name] = bytes(data)
    return zipped(list(entries.items()))


def repacked(original: Original, draw: random.Random, canary: str) -> bytes:
    """A payload whose contents, layout or streams say something else; also bombs."""
    with tempfile.NamedTemporaryFile(suffix=".pt") as file:
        Path(file.name).write_bytes(original.data)
        found = read_model(Path(file.name))
    record: dict[str, Any] = found.record or {}
    if "packed" not in record["graph"]:
        record["graph"] = {"packed": draw.choice((1, 2, None)), "bytes": 0, "plain_bytes": 0}
        return model_bytes(found.tensors, record)
    payload = found.tensors["packed"]
    head = record["graph"]["bytes"]
    contents = json.loads(zlib.decompress(payload[:head].numpy().tobytes(), -15))
    body = bytearray(payload[head:].numpy().tobytes())
    layout = contents["layout"]
    kind = draw.randrange(6)
    if kind == 0:  # a number somewhere in the layout
        entry = draw.choice(layout["tensors"])
        place: Any = draw.choice([part for part in entry if isinstance(part, list) and part] or [[0]])
        place[draw.randrange(len(place))] = draw.choice((0, -1, 1, 2**31 - 1, 2**40, 1.5, None, "1", True))
    elif kind == 1:
        body[draw.randrange(len(body))] ^= 1 << draw.randrange(8)
    elif kind == 2:
        entry = draw.choice([entry for entry in layout["tensors"] if len(entry) > 3])
        entry[draw.choice((3, 4))] = draw.choice((0, 3, 4, 5, 8, 9, 64, "8", None))
    elif kind == 3:  # a bomb in a stream: megabytes of zeros in kilobytes
        bomb = deflated([bytes(draw.choice((10**7, 5 * 10**7)))])
        size = layout["tensors"][0][5][0]
        body[:size] = bomb
        layout["tensors"][0][5][0] = len(bomb)
    elif kind == 4:  # a bomb in the contents
        text = draw.choice(
            (b"[" * 3_000_000, b" " * 4_000_000, b"[" + b"{}," * 1_000_000 + b"0]", b"9" * 10**6)
        )
        return packed_file(record, text, bytes(body))
    else:  # a huge network that fits its layout
        side = draw.choice((2**12, 2**15, 2**20))
        contents["graph"]["modules"]["fc"]["in_features"] = side
        for entry in layout["tensors"]:
            if entry[0] == "fc.weight":
                entry[2][1] = side
    return packed_file(record, json.dumps(contents).encode(), bytes(body))


def packed_file(record: dict[str, Any], contents: bytes, body: bytes) -> bytes:
    """A packed file with these contents and this body, all lengths true."""
    head = deflated([contents])
    payload = torch.frombuffer(bytearray(head + body), dtype=torch.uint8)
    graph = {"packed": 1, "bytes": len(head), "plain_bytes": len(contents)}
    return model_bytes({"packed": payload}, {**record, "graph": graph})


Change = Callable[[Original, random.Random, str], bytes]
KINDS: tuple[tuple[str, int, bool, Change], ...] = (  # share in percent; whether the original must come out
    ("bits flipped", 23, True, flipped),
    ("bits flipped outside tensors", 15, True, flipped_outside_tensors),
    ("cut", 10, True, cut),
    ("bytes put in, taken out", 10, True, shifted),
    ("records doubled", 5, True, doubled),
    ("records compressed", 3, True, compressed),
    ("a pickle that calls", 5, False, evil_zip),
    ("a legacy file that calls", 3, False, legacy),
    ("endless pickles", 2, False, endless),
    ("TorchScript", 2, True, torchscript),
    ("true checksums", 11, False, resealed),
    ("payloads repacked", 11, False, repacked),
)


def mutations(known: list[Original], count: int, seed: int, canary: str) -> Iterator[Hostile]:
    """As many changed files of each kind as its share says; the same seed gives the same."""
    for kind, percent, must_be_the_same, change in KINDS:
        for index in range(max(1, count * percent // 100)):
            draw = random.Random(f"{seed} {kind} {index}")
            original = known[index % len(known)]
            data = change(original, draw, canary)
            yield Hostile(kind, data, original if must_be_the_same else None)


def read_apart(path: Path, expected: str | None) -> Outcome:
    """Read the file in a child with an address-space limit."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        outcome = Outcome("CRASHED", 0, 0)
        try:
            outcome = _read(path, expected)
        finally:
            os.write(writer, json.dumps([outcome.code, outcome.seconds, outcome.megabytes]).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return Outcome(*json.loads(said)) if said else Outcome("DIED", 0, 0)


def _read(path: Path, expected: str | None) -> Outcome:
    idle, used = status("VmRSS"), status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT, used + LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    started = time.process_time()
    try:
        load_model(path)
        code = "read"
    except UserError as error:
        code = error.code if error.message and error.hint else "NO HINT"
    except BaseException as error:  # whatever it is, it is no refusal
        code = f"{type(error).__name__}: {error}".upper()[:80]
    seconds, megabytes = time.process_time() - started, (status("VmHWM") - idle) / 2**20
    if code == "read" and expected is not None and digest_of(path) != expected:
        code = "ANOTHER NETWORK"
    return Outcome(code, seconds, megabytes)


def status(key: str) -> int:
    """Of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main() -> int:
    """Make, read, report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        canary, path = Path(folder) / "ran", Path(folder) / "m.pt"
        outcomes: dict[str, list[Outcome]] = {}
        for hostile in mutations(originals(Path(folder)), arguments.count, arguments.seed, str(canary)):
            path.write_bytes(hostile.data)
            expected = hostile.original.digest if hostile.original else None
            outcome = read_apart(path, expected)
            if canary.exists():
                canary.unlink()
                outcome = Outcome("EXECUTED", outcome.seconds, outcome.megabytes)
            outcomes.setdefault(hostile.kind, []).append(outcome)
    return report(outcomes)


def report(outcomes: dict[str, list[Outcome]]) -> int:
    """Print the table; the exit code."""
    print(f"{'kind':30} {'files':>5} {'refused':>7} {'read':>5} {'s':>6} {'MB':>6}  codes")
    missed = []
    for kind, found in outcomes.items():
        codes = Counter(outcome.code for outcome in found)
        seconds, megabytes = max(it.seconds for it in found), max(it.megabytes for it in found)
        read = codes.pop("read", 0)
        said = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        print(
            f"{kind:30} {len(found):5} {len(found) - read:7} {read:5} {seconds:6.2f} {megabytes:6.0f}  {said}"
        )
        missed += [f"{kind}: {code}" for code in codes if code[0].isupper()]
        missed += [f"{kind}: {seconds:.1f} s"] * (seconds > SECONDS)
        missed += [f"{kind}: {megabytes:.0f} MB"] * (megabytes > MEGABYTES)
    total = sum(map(len, outcomes.values()))
    print(f"{total} files; " + ("; ".join(["MISSED", *missed]) if missed else "every bar held"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
