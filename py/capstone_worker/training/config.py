"""How one network is trained. Defaults and ranges stand in the job's schema alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainConfig:
    """The `train` object of a task, resolved.

    Attributes:
        epochs: passes over the training images, at least 1.
        batch_size: images in a step at most; an epoch is cut into equal batches, so none is tiny.
        lr: highest learning rate.
        weight_decay: L2 for SGD, decoupled for AdamW; on matrices and kernels, not on biases and norms.
        optimizer: SGD with Nesterov momentum 0.9, or AdamW with torch's betas.
        schedule: see `schedule.learning_rate`.
        warmup_epochs: length of the rise to lr; 0: none, with one_cycle 30 % of all steps.
        augment: `crop_*`: shift by up to 4 pixels, reflecting at the edges; `*flip`: mirror half of the
            images; `crop_altflip`: each image in every other epoch.
        cutout: side in pixels of a square in each image that is set to the mean; 0: none.
        label_smoothing: 0..1, in the training loss alone.
        ema_decay: of the moving average of the weights that is evaluated and kept; 0: the weights themselves.
        precision: bf16 runs forward and backward under autocast; weights and evaluation stay fp32.
        max_train_samples: train on a class-balanced part of this size; None: on all.
        eval_every: epochs between evaluations on the test split; the last epoch is always followed by one.
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    optimizer: Literal["sgd", "adamw"]
    schedule: Literal["one_cycle", "cosine", "constant"]
    warmup_epochs: float
    augment: Literal["crop_altflip", "crop_flip", "flip", "none"]
    cutout: int
    label_smoothing: float
    ema_decay: float
    precision: Literal["fp32", "bf16"]
    max_train_samples: int | None
    eval_every: int
