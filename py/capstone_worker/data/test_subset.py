import pytest
import torch

from capstone_worker.data.subset import balanced_subset

LABELS = torch.arange(100).repeat_interleave(7) % 10  # 70 of each of 10 classes


@pytest.mark.parametrize("count", [1, 9, 10, 101, 500, 699])
def test_classes_differ_by_at_most_one(count: int) -> None:
    chosen = balanced_subset(LABELS, count, seed=0)
    per_class = LABELS[chosen].bincount(minlength=10)
    assert per_class.max() - per_class.min() <= 1
    assert torch.equal(chosen, chosen.unique())
    assert len(chosen) == count


@pytest.mark.parametrize("count", [None, 700, 10_000])
def test_everything(count: int | None) -> None:
    assert torch.equal(balanced_subset(LABELS, count, seed=0), torch.arange(700))


def test_seeded_and_nested() -> None:
    small, large = balanced_subset(LABELS, 55, seed=1), balanced_subset(LABELS, 155, seed=1)
    assert torch.equal(small, balanced_subset(LABELS, 55, seed=1))
    assert not torch.equal(small, balanced_subset(LABELS, 55, seed=2))
    assert set(small.tolist()) <= set(large.tolist())


def test_a_class_with_too_few_gives_all() -> None:
    labels = torch.tensor([0] * 100 + [1] * 3 + [2] * 100)
    assert labels[balanced_subset(labels, 43, seed=0)].bincount().tolist() == [20, 3, 20]
