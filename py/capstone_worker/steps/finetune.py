"""The step `finetune`: train on, so that a network gets back what a step before it took.

What the last epoch leaves is kept; the test images are looked at once, after it, and decide nothing. Training
images that are held out cannot choose an epoch either: the original has learnt them. ResNet-18 (95.19 % on
CIFAR-10) without 85 % of its parameters was right about 98.2 % of 2,000 such images after the second of 30
epochs and about 95.0 % after the last; chosen by them, the second came to 93.60 % of the test images.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import fx, nn

from ..errors import UserError
from ..report import Report
from ..training import loop
from ..training.config import TrainConfig
from ..training.distill import distillation, teacher_of
from ..training.fake_quantize import round_weights, settle
from ..training.fixed_zeros import fix_zeros
from .base import Applied, Context
from .prune_magnitude import PruneMagnitude


@dataclass(frozen=True)
class Finetune:
    """Epochs of training under a one-cycle schedule, as `TrainConfig` says each setting.

    Weights that `prune_magnitude` has set to zero before stay zero.

    Attributes:
        distill: `temperature` and `weight` of what the original says (training/distill.py); None: labels
            alone.
        weight_bits: bits, 2 to 8, that convolutions and Linears are rounded to whenever they are used, and
            in the end (training/fake_quantize.py); None: they stay as they are.
    """

    epochs: int
    lr: float
    batch_size: int
    weight_decay: float
    warmup_epochs: float
    augment: Literal["crop_altflip", "crop_flip", "flip", "none"]
    cutout: int
    label_smoothing: float
    ema_decay: float
    precision: Literal["fp32", "bf16"]
    distill: dict[str, float] | None
    weight_bits: int | None
    max_train_samples: int | None
    name: ClassVar[str] = "finetune"

    def apply(self, network: fx.GraphModule, context: Context, report: Report) -> Applied:
        """The network after the last epoch; the record tells its `acc`, percent of the test images.

        Raises:
            UserError: ``finetune_impossible``: nothing in it can be trained; ``training_diverged``.
            Stopped: asked to stop; the state is in the context's folder.
        """
        tuned = copy.deepcopy(network)
        if not any(isinstance(module, nn.Conv2d | nn.Linear) for module in tuned.modules()):
            raise UserError(
                "finetune_impossible",
                "finetune: the network has no float weights that could be trained",
                "Put finetune before the step that quantises",
            )
        if PruneMagnitude.name in context.before:
            fix_zeros(tuned)
        if self.weight_bits:
            round_weights(tuned, self.weight_bits)
        device = context.device
        objective = None
        if self.distill:
            teacher = teacher_of(context.original, device)
            objective = distillation(
                teacher, **self.distill, bf16=self.precision == "bf16", label_smoothing=self.label_smoothing
            )
        result = loop.train(
            tuned.requires_grad_(True).to(device),
            context.load(),
            self._config(),
            seed=context.seed,
            partial=context.partial,
            report=report,
            should_stop=context.should_stop,
            objective=objective,
        )
        tuned.to("cpu")
        settle(tuned)
        return Applied(
            tuned.eval(),
            {
                **self._record(),
                "acc": result.acc,
                "deterministic": result.deterministic,
            },
        )

    def _config(self) -> TrainConfig:
        return TrainConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            optimizer="sgd",
            schedule="one_cycle",
            warmup_epochs=self.warmup_epochs,
            augment=self.augment,
            cutout=self.cutout,
            label_smoothing=self.label_smoothing,
            ema_decay=self.ema_decay,
            precision=self.precision,
            max_train_samples=self.max_train_samples,
            eval_every=self.epochs,
        )

    def _record(self) -> dict[str, Any]:
        return {"step": self.name, **self.__dict__}
