"""Training: one loop, its schedule, batches and state. Gets a network, knows no architecture."""
