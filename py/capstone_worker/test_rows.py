"""Rows to bytes and back. The fixtures are also those of the TypeScript tests: toFixed is another judge."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from capstone_worker import rows, schema
from capstone_worker.errors import UserError
from capstone_worker.rows import Row

FIXTURES = Path(__file__).resolve().parents[2] / "test" / "fixtures"


@pytest.fixture
def row() -> Row:
    return {
        "model": "resnet18",
        "dataset": "cifar10",
        "recipe": "classic",
        "level": 1,
        "seed": 0,
        "image_size": 32,
        "device": "cpu",
        "cpu": "AMD EPYC",
        "runtime": "torch",
        "threads": 2,
        "batch_size": 1,
        "eval_samples": 500,
    }


def cell(row: Row, column: str) -> str:
    header, line = rows.to_csv([row]).splitlines()
    return line.split(",")[header.split(",").index(column)]


def test_fixture() -> None:
    given = json.loads((FIXTURES / "rows.json").read_text(encoding="utf-8"))
    expected = (FIXTURES / "rows.csv").read_bytes()
    assert rows.to_csv(given).encode() == expected
    assert rows.to_csv(rows.parse_csv(expected.decode())).encode() == expected


def test_header_has_all_columns_in_the_schemas_order() -> None:
    assert rows.to_csv([]) == ",".join(schema.load("row")["properties"]) + "\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.125, "0.13"),  # exact halves away from zero
        (-0.125, "-0.13"),
        (0.375, "0.38"),
        (2.675, "2.67"),  # 2.67499999999999982236431605997495353221893310546875
        (1.005, "1.00"),  # 1.00499999999999989…
        (1.115, "1.11"),  # 1.1149999999999999911…
        (0.005, "0.01"),  # 0.005000000000000000104…
        (-0.004, "0.00"),
        (-0.0, "0.00"),
        (3, "3.00"),
        (1e22, "10000000000000000000000.00"),
    ],
)
def test_rounding(row: Row, value: float, written: str) -> None:
    assert cell({**row, "acc_drop": value}, "acc_drop") == written


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_number_that_is_none(row: Row, value: float) -> None:
    with pytest.raises(ValueError, match=f"acc_drop is {value}; unknown is None"):
        rows.to_csv([{**row, "acc_drop": value}])


def test_foreign_column(row: Row) -> None:
    with pytest.raises(ValueError, match="no columns of a row: latency"):
        rows.to_csv([{**row, "latency": 1.0}])


def test_parse_gives_types_and_every_column(row: Row) -> None:
    measured = {**row, "speedup": 1.5, "deterministic": False, "verdict": "faster", "noise": 'a "b", c'}
    unknown: Row = dict.fromkeys(schema.load("row")["properties"])
    assert rows.parse_csv(rows.to_csv([measured])) == [{**unknown, **measured}]


def test_parse_reads_columns_by_name(row: Row) -> None:
    text = (
        ",".join(reversed(row)) + "\r\n" + ",".join(str(value) for value in reversed(row.values())) + "\r\n"
    )
    assert rows.to_csv(rows.parse_csv(text)) == rows.to_csv([row])


def test_flags_in_capitals_are_what_a_spreadsheet_made_of_them(row: Row) -> None:
    text = rows.to_csv([{**row, "deterministic": True, "baseline": False}])
    saved = text.replace(",true,", ",TRUE,").replace(",false,", ",False,")
    assert saved != text
    assert rows.to_csv(rows.parse_csv(saved)) == text


def test_parse_of_nothing() -> None:
    assert rows.parse_csv("") == rows.parse_csv(rows.to_csv([])) == []


def test_line_with_too_few_cells(row: Row) -> None:
    with pytest.raises(UserError) as caught:
        rows.parse_csv(rows.to_csv([row]) + "resnet18,cifar10\n", "results.csv")
    columns = len(schema.load("row")["properties"])
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "rows_invalid",
        f"results.csv, line 3: expected {columns} cells, found 2",
        "Correct the file, or move it aside: the next benchmark writes a new one.",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("resnet18,cifar10", '"resnet18" x,cifar10', "line 2: ',' expected after '\"'"),
        ("classic,1,0", "classic,one,0", "line 2, level: "),
        ("classic,1,0", "classic,1_0,0", "line 2, level: "),
        ("classic,1,0", "classic,,0", "line 2"),
        ("model,dataset", "model,data", 'line 1: unknown column "data"'),
        ("model,dataset", "model,model", 'line 1: the column "model" stands twice'),
    ],
)
def test_what_is_no_row(row: Row, old: str, new: str, message: str) -> None:
    text = rows.to_csv([row])
    assert old in text
    with pytest.raises(UserError) as caught:
        rows.parse_csv(text.replace(old, new, 1), "results.csv")
    assert caught.value.code == "rows_invalid"
    assert caught.value.message.startswith(f"results.csv, {message}")


def test_merge_replaces_rows_of_the_same_identity(row: Row) -> None:
    other = {**row, "batch_size": 64}
    newer = {**row, "artifact_sha256": "0" * 64}
    assert rows.merge([row, other], [newer]) == [newer, other]


def test_update_keeps_replaces_and_sorts(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "new" / "benchmark_levels.csv"
    rows.update_csv(path, [{**row, "level": 2}, {**row, "run": "a"}])
    rows.update_csv(path, [{**row, "run": "b\r\nc"}])
    assert path.read_bytes() == rows.to_csv([{**row, "run": "b\r\nc"}, {**row, "level": 2}]).encode()
    assert list(path.parent.iterdir()) == [path]


def test_update_leaves_a_file_it_cannot_read(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "benchmark_levels.csv"
    path.write_bytes(b"model\n\xff\n")
    with pytest.raises(UserError) as caught:
        rows.update_csv(path, [row])
    assert caught.value.message == f"{path}: expected UTF-8, found invalid start byte"
    assert path.read_bytes() == b"model\n\xff\n"


def test_no_writer_loses_another_writers_rows(tmp_path: Path, row: Row) -> None:
    path = tmp_path / "benchmark_levels.csv"
    with ThreadPoolExecutor(4) as writers:
        done = [writers.submit(rows.update_csv, path, [{**row, "seed": seed}]) for seed in range(8)]
    assert [future.exception() for future in done] == [None] * 8
    assert [found["seed"] for found in rows.parse_csv(path.read_text())] == list(range(8))
