"""What a network is worth: gets networks and batches, knows no step.

cpu           this machine's CPU and how much of it may be used
exclusive     one measurement at a time
accuracy      images → logits → percent
logits_cache  the original's logits, kept
intervals     what chance alone can do to a difference
verdict       what an interval allows one to say
latency       two models timed against each other
counts, macs  parameters, multiply-accumulates
"""
