"""Prints the time of each step of networks of compare/networks.py: `python bench/profile_networks.py resnet18 vgg16 --threads 1`."""

from __future__ import annotations

import argparse

import numpy as np
from compare.export import network
from compare.networks import NETWORKS
from machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=["resnet18"], help=f"of {', '.join(NETWORKS)}; resnet18 if none is named")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tune", action="store_true", help="measure the algorithms first, as compile(tune=True) does")
    options = parser.parse_args()
    unknown = [name for name in options.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"there is no network {unknown[0]!r}; there are {', '.join(NETWORKS)}")
    print(", ".join(f"{key}: {value}" for key, value in machine().items()))
    for name in options.networks:
        entry = NETWORKS[name]
        run = network(name).compile(entry.shape, threads=options.threads, tune=options.tune)
        x = np.random.default_rng(1).standard_normal(entry.shape, dtype=np.float32)
        print(f"\n{entry.title}, threads: {options.threads}\n{run.profile(x)}")


if __name__ == "__main__":
    main()
