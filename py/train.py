r"""Train a classifier and write its checkpoint.

    .venv/bin/python py/train.py --model resnet18 --dataset cifar10 --data-root data \
      --epochs 25 --batch-size 256 --output checkpoints/resnet18_cifar10.pth

Prints the file and its accuracy on the test images. By default the data set is cifar10 and the file
checkpoints/{model}_{dataset}.pth, with _s{seed} where the seed is not 0. After Ctrl-C or a crash the same
command goes on where it was and ends with the same bytes. `capstone train` makes the same file.
"""

from capstone_worker.by_hand.main import main

if __name__ == "__main__":
    raise SystemExit(main("train", __doc__))
