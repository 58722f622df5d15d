"""Texts of the operating system; src/run/machine.test.ts reads texts of the same kind."""

import os

import pytest

from capstone_worker.measure import cpu

AMX = """\
processor\t: 0
model\t\t: 143
model name\t: Intel(R)  Xeon(R) Platinum 8481C CPU @ 2.70GHz\x20
flags\t\t: fpu sse sse4_1 sse4_2 fma avx f16c avx2 avx512f avx512bw avx512vl avx_vnni avx512_bf16 \
avx512_vnni amx_bf16 amx_tile amx_int8
bugs\t\t: spectre_v1

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
AVX2 = "model name\t: AMD EPYC\nflags\t\t: fpu sse4_1 sse4_2 fma avx f16c avx2 avx512ifma\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd evtstrm asimddp sve i8mm bf16\nCPU part\t: 0xd40\n"


def test_amx() -> None:
    assert cpu.parse_model(AMX) == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    flags = cpu.parse_flags(AMX)
    assert flags == [
        flag for flag in cpu.ISA_FLAGS if flag not in {"asimd", "asimddp", "bf16", "i8mm", "sve"}
    ]
    assert cpu.isa_class(flags, cpu.parse_model(AMX)) == "amx"


def test_avx2() -> None:
    assert cpu.parse_model(AVX2) == "AMD EPYC"
    assert cpu.parse_flags(AVX2) == ["avx", "avx2", "f16c", "fma", "sse4_1", "sse4_2"]
    assert cpu.isa_class(cpu.parse_flags(AVX2), "AMD EPYC") == "avx2"


def test_arm_names_no_model() -> None:
    assert cpu.parse_model(ARM) == "unknown"
    assert cpu.parse_flags(ARM) == ["asimd", "asimddp", "bf16", "i8mm", "sve"]
    assert cpu.isa_class(cpu.parse_flags(ARM), "unknown") == "neon"


@pytest.mark.parametrize(
    ("flags", "model", "expected"),
    [
        (["avx512_bf16", "avx512_vnni", "avx512f"], "AMD EPYC 9B14", "avx512_bf16"),
        (["avx512_bf16", "avx512_vnni", "avx512f"], "Intel(R) Xeon(R) Processor", "avx512_bf16_intel"),
        (["avx512_bf16", "amx_tile"], "Intel(R) Xeon(R) Processor", "amx"),
        (["avx2", "avx512_vnni", "avx512f"], "Intel(R) Xeon(R) Processor", "avx512_vnni"),
        (["avx2", "avx512f"], "unknown", "avx512"),
        (["avx"], "unknown", "other"),
        ([], "unknown", "other"),
    ],
)
def test_isa_class(flags: list[str], model: str, expected: str) -> None:
    assert cpu.isa_class(flags, model) == expected


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", ["avx512_vnni"], "x86_vnni"),
        ("AMD64", ["avx2", "avx_vnni"], "x86"),
        ("aarch64", ["asimd"], "qnnpack"),
        ("arm64", [], "qnnpack"),
    ],
)
def test_int8_backend(machine: str, flags: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(cpu, "isa_flags", lambda: flags)
    assert cpu.int8_backend() == expected


def test_the_flags_are_sorted() -> None:
    assert list(cpu.ISA_FLAGS) == sorted(set(cpu.ISA_FLAGS))


def test_this_machine() -> None:
    assert cpu.cpu_model()
    assert set(cpu.isa_flags()) <= set(cpu.ISA_FLAGS)
    assert cpu.isa() == cpu.isa_class(cpu.isa_flags(), cpu.cpu_model())
    assert 1 <= cpu.usable_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("", None),
    ],
)
def test_cpu_max(text: str, expected: int | None) -> None:
    assert cpu.parse_cpu_max(text) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, [], id="no cgroups"),
        pytest.param(
            {
                "/proc/self/cgroup": "0::/user.slice/job\n",
                "/sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n",
                "/sys/fs/cgroup/user.slice/cpu.max": "350000 100000\n",
                "/sys/fs/cgroup/cpu.max": "200000 100000\n",
            },
            [3, 2],
            id="v2, the quotas of parents",
        ),
        pytest.param(
            {"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "400000 100000\n"},
            [4],
            id="v2, a container that sees itself as the root",
        ),
        pytest.param(
            {"/proc/self/cgroup": "0::/../../cpu\n", "/sys/fs/cpu/cpu.max": "100000 100000\n"},
            [],
            id="v2, a path out of the root",
        ),
        pytest.param(
            {
                "/proc/self/cgroup": "4:memory:/a\n1:cpu:/a\n0::/\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            [2],
            id="v1",
        ),
        pytest.param(
            {
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            [],
            id="v1 without a quota",
        ),
    ],
)
def test_quota_caps(files: dict[str, str], expected: list[int]) -> None:
    assert cpu.quota_caps(files.get) == expected
