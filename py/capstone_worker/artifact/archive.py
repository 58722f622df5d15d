"""The zip around a model file, read strictly.

Two readers that disagree about one zip are how a harmless-looking file carries another one. So every byte
has one meaning here or the file is refused: entries are stored (never compressed), lie one behind the
other from the first byte to the central directory, and agree with it; names are unique and share one
prefix; nothing stands before or behind. Local headers may hold zeros for size and CRC where bit 3 is set
and a data descriptor follows, because that is how torch writes them. Both endings are read: torch always
adds the zip64 records, Python's zipfile only where it must.

Layout: PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12 (central header),
4.3.14 to 4.3.16 (zip64 end, its locator, end), 4.5.3 (zip64 sizes).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UserError

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_DESCRIPTOR, _DESCRIPTOR64 = struct.Struct("<4s3L"), struct.Struct("<4sL2Q")

_HAS_DESCRIPTOR, _UTF8 = 0x08, 0x800
_IN_ZIP64 = 0xFFFFFFFF

RESAVE = (
    "Where you trust it, save it again in the plain format: "
    "torch.save(torch.load(old, map_location='cpu'), new), with a state_dict of tensors"
)
REMAKE = "The file is damaged or was changed after it was written: download or make it again"


@dataclass(frozen=True)
class _Entry:
    """One line of the central directory; `header`, `size` and `start` in bytes, `start` where the data is."""

    name: str
    header: int
    size: int
    crc: int
    has_descriptor: bool
    start: int = 0


class Archive:
    """The records of a model file, by name without the archive's prefix."""

    def __init__(self, path: Path, data: memoryview) -> None:
        """Check the structure; the CRC of a record is checked when it is read.

        Args:
            path: the file, for messages.
            data: its bytes; a memory map will do.

        Raises:
            UserError: the bytes are no plain zip as torch writes it; the code says what is wrong.
        """
        self.path = path
        self._data = data
        self._entries = self._without_prefix(self._placed(*self._directory()))

    def names(self) -> list[str]:
        """The records, without the prefix, in the order of the file."""
        return list(self._entries)

    def size(self, name: str) -> int:
        """The bytes of the record `name`."""
        return self._entries[name].size

    def read(self, name: str) -> memoryview:
        """The record `name`, one of `names()`; refused where the CRC differs."""
        entry = self._entries[name]
        record = self._data[entry.start : entry.start + entry.size]
        if zlib.crc32(record) != entry.crc:
            raise self.refusal("model_damaged", f"the checksum of its record {name} is wrong")
        return record

    def refusal(self, code: str, reason: str, hint: str = REMAKE) -> UserError:
        """The error that names this file."""
        return UserError(code, f"{self.path}: {reason}", hint)

    def _directory(self) -> tuple[list[_Entry], int]:
        """The entries of the central directory, and the offset where it begins."""
        start, end, count = self._ends()
        entries: list[_Entry] = []
        seen: set[str] = set()
        at = start
        for _ in range(count):
            if at + _CENTRAL.size > end:
                raise self.refusal("model_zip_invalid", "its central directory is shorter than it says")
            fields = _CENTRAL.unpack_from(self._data, at)
            signature, flags, method, crc, packed, size = *fields[:1], *fields[3:5], *fields[7:10]
            name_size, extra_size, comment_size, disk, header = *fields[10:14], fields[16]
            names = bytes(self._data[at + _CENTRAL.size : at + _CENTRAL.size + name_size + extra_size])
            at += _CENTRAL.size + name_size + extra_size + comment_size
            if signature != b"PK\x01\x02" or at > end or comment_size or disk:
                raise self.refusal("model_zip_invalid", "its central directory is not as torch writes it")
            name = self._text(names[:name_size])
            if method or flags & ~(_HAS_DESCRIPTOR | _UTF8):
                raise self.refusal(
                    "model_compressed", f"its record {name} is compressed or encrypted", RESAVE
                )
            size, packed, header = self._from_zip64(names[name_size:], [size, packed, header])
            if packed != size:
                raise self.refusal(
                    "model_zip_invalid", f"its record {name} has two sizes, {packed} and {size}"
                )
            if name.lower() in seen:  # torch's own reader ignores case: to it both are one record
                raise self.refusal("model_duplicate_record", f"it has two records named {name}")
            seen.add(name.lower())
            entries.append(_Entry(name, header, size, crc, bool(flags & _HAS_DESCRIPTOR)))
        if at != end:
            raise self.refusal("model_zip_invalid", "its central directory is longer than it says")
        return entries, start

    def _ends(self) -> tuple[int, int, int]:
        """Where the central directory begins and ends, and how many entries it has."""
        data = self._data
        end = len(data) - _END.size
        if end < 0 or bytes(data[end : end + 4]) != b"PK\x05\x06":
            raise self._foreign()
        _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, end)
        narrow = (here, count, size, start)
        stop = end
        locator = end - _LOCATOR64.size
        if locator >= 0 and bytes(data[locator : locator + 4]) == b"PK\x06\x07":
            stop = locator - _END64.size
            _, _, end64, _ = _LOCATOR64.unpack_from(data, locator)
            if stop < 0 or end64 != stop or bytes(data[stop : stop + 4]) != b"PK\x06\x06":
                raise self.refusal("model_zip_invalid", "its zip64 records are not where they say")
            _, rest, _, _, disk, first_disk, here, count, size, start = _END64.unpack_from(data, stop)
            agree = all(
                short in (long, all_ones)
                for short, long, all_ones in zip(
                    narrow, (here, count, size, start), (0xFFFF, 0xFFFF, _IN_ZIP64, _IN_ZIP64), strict=True
                )
            )
            if rest != _END64.size - 12 or not agree:
                raise self.refusal("model_zip_invalid", "its zip64 records are not as torch writes them")
        if comment or disk or first_disk or here != count:
            raise self.refusal("model_zip_invalid", "its end record is not as torch writes it")
        if start + size != stop:
            raise self.refusal(
                "model_leading_bytes", "something was put before or between the parts of its archive"
            )
        return start, stop, count

    def _placed(self, entries: list[_Entry], end: int) -> list[_Entry]:
        """The entries with their data's offset; together they fill the file from 0 to `end`."""
        placed: list[_Entry] = []
        at = 0
        for entry in sorted(entries, key=lambda entry: entry.header):
            if entry.header != at or at + _LOCAL.size > end:
                raise self.refusal(
                    "model_zip_invalid", f"its record {entry.name} is not where the directory says"
                )
            fields = _LOCAL.unpack_from(self._data, at)
            signature, flags, method, crc, packed, size = *fields[:1], *fields[2:4], *fields[6:9]
            name_end = at + _LOCAL.size + fields[9]
            start = name_end + fields[10]
            blank = entry.has_descriptor and crc == packed == size == 0
            name = self._text(bytes(self._data[at + _LOCAL.size : name_end]))
            if (
                signature != b"PK\x03\x04"
                or name != entry.name
                or method
                or bool(flags & _HAS_DESCRIPTOR) != entry.has_descriptor
                or not (
                    blank or (crc == entry.crc and self._true_sizes(size, packed, name_end, start, entry))
                )
            ):
                raise self.refusal("model_zip_invalid", f"the two headers of its record {entry.name} differ")
            at = start + entry.size
            if entry.has_descriptor:
                at += self._descriptor_size(at, entry)
            if at > end:
                raise self.refusal("model_truncated", f"its record {entry.name} is cut off")
            placed.append(replace(entry, start=start))
        if at != end:
            raise self.refusal("model_zip_invalid", "it has bytes that belong to no record")
        return placed

    def _true_sizes(self, size: int, packed: int, extra: int, start: int, entry: _Entry) -> bool:
        local = self._from_zip64(bytes(self._data[extra:start]), [size, packed])
        return local == [entry.size, entry.size]

    def _descriptor_size(self, at: int, entry: _Entry) -> int:
        for layout in (_DESCRIPTOR, _DESCRIPTOR64) if entry.size < _IN_ZIP64 else (_DESCRIPTOR64,):
            wanted = layout.pack(b"PK\x07\x08", entry.crc, entry.size, entry.size)
            if bytes(self._data[at : at + layout.size]) == wanted:
                return layout.size
        raise self.refusal("model_zip_invalid", f"the two headers of its record {entry.name} differ")

    def _from_zip64(self, extra: bytes, values: list[int]) -> list[int]:
        """`values` with each 0xFFFFFFFF replaced, in order, from the zip64 field in `extra`."""
        if _IN_ZIP64 not in values:
            return values
        at = 0
        while at + 4 <= len(extra):
            kind, size = struct.unpack_from("<2H", extra, at)
            wide = extra[at + 4 : at + 4 + size]
            if kind == 1 and len(wide) == size == 8 * values.count(_IN_ZIP64):
                following = iter(struct.unpack(f"<{size // 8}Q", wide))
                return [next(following) if value == _IN_ZIP64 else value for value in values]
            at += 4 + size
        raise self.refusal("model_zip_invalid", "a zip64 size is missing")

    def _text(self, name: bytes) -> str:
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            raise self.refusal("model_zip_invalid", f"a record's name is not UTF-8: {name!r}") from None

    def _without_prefix(self, entries: list[_Entry]) -> dict[str, _Entry]:
        prefixes = {entry.name.partition("/")[0] for entry in entries}
        records = {entry.name.partition("/")[2]: entry for entry in entries}
        if len(prefixes) != 1 or "" in records:
            raise self.refusal(
                "model_prefix", "its records do not lie in one folder, as torch writes them", RESAVE
            )
        if "constants.pkl" in {name.lower() for name in records}:
            raise self.refusal(
                "model_torchscript",
                "it is a TorchScript program, not weights",
                "Save its weights: torch.save(torch.jit.load(old).state_dict(), new)",
            )
        return records

    def _foreign(self) -> UserError:
        """What the file is, where it does not end as a zip does."""
        head = bytes(self._data[:512])
        if not head:
            return self.refusal("model_empty", "the file is empty")
        if head[257:262] == b"ustar":
            return self.refusal("model_tar", "tar archives, the oldest torch format, are not read", RESAVE)
        if not head.startswith(b"PK\x03\x04"):
            return self.refusal(
                "model_not_zip", "this is no file of torch.save: it does not begin as a zip does", RESAVE
            )
        if b"PK\x05\x06" in bytes(self._data[-66_000 : 4 - _END.size]):
            return self.refusal("model_trailing_bytes", "something was put behind its archive")
        return self.refusal("model_truncated", "the file ends too early")
