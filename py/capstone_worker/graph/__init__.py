"""Networks to JSON and back, over an allowlist."""
