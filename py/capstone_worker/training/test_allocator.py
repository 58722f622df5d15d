"""In a process of its own: what glibc was told once holds for all that follows."""

import subprocess
import sys

STEP = """
import resource
import torch
from capstone_worker.training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 * 2**20)  # 64 MB, 16,384 pages, above any threshold that glibc finds by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
before = faults()
keep_freed_memory()
for _ in range(8):  # an aligned block fits into a freed one only once neighbours have merged: 3 rounds seen
    faults()
print(before, faults())
"""


def test_memory_is_kept_by_glibc() -> None:
    ran = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=True, cwd="py")
    before, after = map(int, ran.stdout.split())
    assert (before > 50 * max(after, 1)) == (sys.platform == "linux")
