"""Reads what is from the internet as jobs do: `read.py images FOLDER` or `read.py archive FOLDER`."""

import sys
from pathlib import Path

from nas_exp.benchmarks.nats import import_archive
from nas_exp.datasets.images import load_images
from nas_exp.errors import InputError
from nas_exp.spaces.topology import TopologySpace

if __name__ == "__main__":
    _, kind, folder = sys.argv
    try:
        if kind == "images":
            load_images(Path(folder), name="cifar10", num_classes=10, image_size=32)
        else:
            import_archive(Path(folder), Path("data"), TopologySpace(C=16, N=5), n_jobs=1)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
