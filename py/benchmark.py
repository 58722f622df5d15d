r"""Measure artifacts beside their originals and update benchmark_levels.csv.

    .venv/bin/python py/benchmark.py --levels 1 --levels 2 --levels 3 --levels 4 --levels 5 \
      --max-eval-samples 500

--levels 1-5 and --levels 1,3 work too. Files are found by their default names. Prints for each level params,
nonzero, sparsity, acc, file_size, latency and throughput of both models, read back from their files and timed
in alternating blocks; intervals are of 99 %. `capstone benchmark` writes the same rows.
"""

from capstone_worker.by_hand.main import main

if __name__ == "__main__":
    raise SystemExit(main("benchmark", __doc__))
