"""Trains, compresses and measures image classifiers: the Python half of capstone."""

import os

# Since 1.29, ONNX Runtime reports names and hashes of the models that it opens to its maker, on Linux too,
# unless this is set before it is imported. What models a user has is nobody's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
