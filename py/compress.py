r"""Compress a checkpoint at one level or more and write the artifacts.

    .venv/bin/python py/compress.py --model resnet18 --checkpoint checkpoints/resnet18_cifar10.pth \
      --num-classes 10 --compression-level 3 --output compressed_models/compressed_resnet18_l3.pt

Prints a line for each artifact. The files in recipes/ say what a level does. The data set is the one that the
checkpoint was trained on. By default the file is compressed_models/compressed_{model}_l{level}.pt; a data set
other than cifar10, a recipe other than classic and a seed other than 0 stand in its name too.
`capstone compress` makes the same files.
"""

from capstone_worker.by_hand.main import main

if __name__ == "__main__":
    raise SystemExit(main("compress", __doc__))
