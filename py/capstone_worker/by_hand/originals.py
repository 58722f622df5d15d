"""The networks a job is about, and where their files lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..models.architectures import default_image_size, default_stem, family
from .names import artifact_name, checkpoint_name


@dataclass(frozen=True)
class Original:
    """A network on a data set with a seed.

    Attributes:
        model: as in a task: name, architecture, stem, image size.
        family: chooses a recipe's levels.
        dataset: its name.
        seed: of its training.
    """

    model: dict[str, Any]
    family: str
    dataset: str
    seed: int

    def task_id(self, kind: str) -> str:
        """The id of its task of that kind, to which a recipe and a level add theirs."""
        return f"{kind}-{self.model['name']}-{self.dataset}-s{self.seed}"

    def as_recorded(self, record: Mapping[str, Any] | None) -> Original:
        """With the stem and image size that its checkpoint says it has; a foreign one (None) says neither.

        Raises:
            UserError: ``model_own_code``.
        """
        if record is None:
            return self
        if "stem" not in record["model"]:
            raise UserError(
                "model_own_code",
                f"{record['model']['name']} is a network by code of one's own, which no script can name",
                "Use `capstone compress --model NAME --checkpoint FILE`, or a spec for `capstone run`",
            )
        said = {key: record["model"][key] for key in ("stem", "image_size")}
        return replace(self, model={**self.model, **said})

    def checkpoint(self, workspace: Path) -> Path:
        """Where its checkpoint lies by default."""
        return workspace / "checkpoints" / checkpoint_name(self.model["name"], self.dataset, self.seed)

    def artifact(self, workspace: Path, recipe: str, level: int) -> Path:
        """Where its artifact of that recipe and level lies by default."""
        name = artifact_name(self.model["name"], self.dataset, recipe, self.seed, level)
        return workspace / "compressed_models" / name


def originals(job: Mapping[str, Any]) -> Iterator[Original]:
    """Every model of a job on every data set with every seed, in the order of its lists.

    Raises:
        UserError: ``arch_unknown``.
    """
    for name, dataset, seed in product(job["models"], job["datasets"], job["seeds"]):
        # No flag says otherwise; a spec for `capstone run` can.
        model = {
            "name": name,
            "arch": name,
            "stem": default_stem(name),
            "image_size": default_image_size(name),
        }
        yield Original(model, family(name), dataset, seed)
