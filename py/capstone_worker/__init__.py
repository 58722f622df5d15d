"""Trains, compresses and measures image classifiers: the Python half of capstone."""
