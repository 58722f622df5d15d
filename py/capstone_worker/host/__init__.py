"""Protocol 1, the worker's side: commands in on stdin, events out on fd 3, one JSON object a line.

serve       main(): which process this is, the host or a task that had to be started afresh
frameworks  torch and torchvision, imported without starting a thread
commands    a line of stdin → what is asked
supervise   the host's loop: starts tasks, forwards what they say, ends them
child       the other side of the fork: from the host's copy to a task, or several, and out
events      what goes through a task's pipe and through fd 3
lines       bytes → lines of bounded length
"""
