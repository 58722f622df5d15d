"""Default file names: they derive from the task alone, as src/plan/names.ts has them."""

from __future__ import annotations


def checkpoint_name(model: str, dataset: str, seed: int) -> str:
    """The file of an original in checkpoints/."""
    return f"{model}_{dataset}{_seed_part(seed)}.pth"


def artifact_name(model: str, dataset: str, recipe: str, seed: int, level: int) -> str:
    """The file of an artifact in compressed_models/.

    cifar10, classic and seed 0 are left out: those are the original tool's file names.
    """
    dataset_part = "" if dataset == "cifar10" else f"_{dataset}"
    recipe_part = "" if recipe == "classic" else f"_{recipe}"
    return f"compressed_{model}{dataset_part}{recipe_part}{_seed_part(seed)}_l{level}.pt"


def _seed_part(seed: int) -> str:
    return f"_s{seed}" if seed else ""
