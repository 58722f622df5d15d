"""The classic scripts: py/train.py, py/compress.py and py/benchmark.py, without an orchestrator.

main          one script from its arguments to its exit code
arguments     flags from the job's schema
plan          flags → the very tasks that the planner in src/plan makes of them
names         default file names
act           tasks → files, rows, results on stdout
stop          Ctrl-C
progress      what the tasks report, drawn on stderr
outcome       what a task found out, as text
visible       text that is safe on a terminal
"""
