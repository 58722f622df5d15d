"""Model files: bytes to tensors and JSON, and back."""
