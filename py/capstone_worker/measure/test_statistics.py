"""Our statistics against independent judges, on the logits of two networks that were really trained.

statsmodels: Wilson's interval and McNemar's exact test; scikit-learn: accuracy; scipy.stats: the bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import accuracy_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from torch import Tensor, nn

from ..data.cache import load
from ..data.source import resolve
from .accuracy import accuracy, correct
from .intervals import acc_drop_interval, mcnemar_exact, wilson_interval

IMAGES = 2000


@dataclass(frozen=True)
class Said:
    """logits (N, 10) of two models on the same images, and their labels (N,)."""

    a: Tensor
    b: Tensor
    labels: Tensor


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """A linear classifier of small Fashion-MNIST, and the same with its weights in four bits."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        data = load(resolve("fashion_mnist_mini", data_root=folder), 32, lambda event: None)
    torch.manual_seed(0)
    classifier = nn.Linear(32 * 32, 10)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    images, labels = data.train_images[:, 0].flatten(1) / 255, data.train_labels
    for batch in torch.randperm(len(labels)).split(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(classifier(images[batch]), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        test = data.test_images[:IMAGES, 0].flatten(1) / 255
        a = classifier(test)
        step = classifier.weight.abs().max() / 7
        classifier.weight.copy_((classifier.weight / step).round() * step)
        return Said(a, classifier(test), data.test_labels[:IMAGES])


def test_they_differ(said: Said) -> None:
    """Else the judges would have nothing to say."""
    only = correct(said.a, said.labels) ^ correct(said.b, said.labels)
    assert 20 < int(only.sum()) < IMAGES / 2


def test_accuracy(said: Said) -> None:
    for logits in (said.a, said.b):
        judge = 100 * accuracy_score(said.labels, logits.argmax(1))
        assert accuracy(logits, said.labels) == pytest.approx(judge, rel=1e-12)


def test_wilson(said: Said) -> None:
    for logits in (said.a, said.b):
        right = int(correct(logits, said.labels).sum())
        judge = proportion_confint(right, IMAGES, alpha=0.01, method="wilson")
        assert wilson_interval(right, IMAGES) == pytest.approx([100 * end for end in judge], rel=1e-12)


@pytest.mark.parametrize(
    ("right", "images"), [(0, 1), (1, 1), (0, 500), (500, 500), (1, 500), (9_999, 10_000)]
)
def test_wilson_at_the_ends(right: int, images: int) -> None:
    judge = proportion_confint(right, images, alpha=0.01, method="wilson")
    assert wilson_interval(right, images) == pytest.approx([100 * end for end in judge], rel=1e-9, abs=1e-9)


def test_mcnemar(said: Said) -> None:
    _judge_mcnemar(correct(said.a, said.labels), correct(said.b, said.labels))


@pytest.mark.parametrize("seed", range(20))
def test_mcnemar_of_random_models(seed: int) -> None:
    """From equal ones to opposite ones, on 1 to 200 images."""
    generator = torch.Generator().manual_seed(seed)
    images = int(torch.randint(1, 201, (1,), generator=generator))
    a = torch.rand(images, generator=generator) < 0.8
    b = a ^ (torch.rand(images, generator=generator) < seed / 19)
    _judge_mcnemar(a, b)


def _judge_mcnemar(a: Tensor, b: Tensor) -> None:
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    assert mcnemar_exact(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)


def test_paired_bootstrap_of_the_drop(said: Said) -> None:
    """scipy samples where ours computes: equal within what 20,000 resamples leave open, two images."""
    a, b = (correct(logits, said.labels).numpy().astype(float) for logits in (said.a, said.b))

    def drop(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:  # type: ignore[type-arg]
        return 100 * (x.mean(axis=axis) - y.mean(axis=axis))  # type: ignore[no-any-return]

    judge = stats.bootstrap(
        *[(a, b), drop],
        paired=True,
        confidence_level=0.99,
        n_resamples=20_000,
        method="percentile",
        batch=1000,
        random_state=np.random.default_rng(0),
    ).confidence_interval
    found = acc_drop_interval(correct(said.a, said.labels), correct(said.b, said.labels))
    assert found == pytest.approx((judge.low, judge.high), abs=0.1)
