"""The pipeline that one would write with pydicom, Pillow and PyTorch: scores of every image.

Usage: pipeline_pytorch.py WEIGHTS.safetensors OUTPUT.jsonl FILE_OR_FOLDER... [options]

Prints one line of JSON: the settings, images per second once everything is loaded and warm, and the
seconds of the start before. Writes path, logit and score of every image to OUTPUT.
"""

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path

BORN = time.perf_counter()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--processes", type=int, default=1, help="each with its share of the files")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch in every process")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader; 0 decodes in turn")
    parser.add_argument("--batch", type=int, default=8, help="tiles per forward pass")
    parser.add_argument("--layout", choices=["contiguous", "channels_last"], default="channels_last")
    parser.add_argument("--engine", choices=["eager", "frozen", "compiled"], default="eager")
    parser.add_argument("--limit", type=int, help="images at most, of every folder")
    return parser.parse_args()


class Tiles:
    """A data set: the tiles of one file each."""

    def __init__(self, files, spec):
        self.files, self.spec = files, spec

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        import torch

        from tiles import grey, tiles

        found = tiles(grey(self.files[index]), self.spec)
        return index, [torch.from_numpy(tile.copy()) for tile in found]


def network(args, detector):
    """The forward pass as configured, on a list of tiles of one shape."""
    import torch

    layout = getattr(torch, f"{args.layout}_format" if args.layout == "contiguous" else args.layout)
    detector = detector.to(memory_format=layout)
    if args.engine == "frozen":
        sample = torch.rand(args.batch, 1, 256, 256)
        traced = torch.jit.trace(detector, sample.contiguous(memory_format=layout))
        detector = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
    elif args.engine == "compiled":
        detector = torch.compile(detector)

    def run(tiles):
        pixels = torch.stack(tiles)[:, None].contiguous(memory_format=layout)
        return detector(pixels)[0].tolist()

    for size in {1, args.batch}:
        for _ in range(3):
            run([torch.rand(256, 256)] * size)
    return run


def score(args, files, ready, results):
    """Scores a share of the files; `ready` is passed once everything is warm."""
    import torch
    from torch.utils.data import DataLoader

    from detector import load

    torch.set_num_threads(args.threads)
    with torch.inference_mode():
        detector, card = load(args.weights)
        run = network(args, detector)
        loader = DataLoader(
            Tiles(files, card["input"]),
            batch_size=None,
            num_workers=args.workers,
            prefetch_factor=8 if args.workers else None,
        )
        ready.wait()
        logits, waiting = [[] for _ in files], {}
        for index, tiles in loader:
            for tile in tiles:
                group = waiting.setdefault(tile.shape, [])
                group.append((index, tile))
                if len(group) == args.batch:
                    flush(run, group, logits)
        for group in waiting.values():
            flush(run, group, logits)
    calibration = card["calibration"]
    found = []
    for file, values in zip(files, logits):
        if values:
            # Logarithm of the mean exponential, as the card asks for.
            most = max(values)
            logit = most + math.log(sum(math.exp(v - most) for v in values) / len(values))
            z = (logit - calibration["bias"]) / calibration["temperature"]
            found.append({"path": str(file), "logit": logit, "score": 1 / (1 + math.exp(-z))})
    results.put(found)


def flush(run, group, logits):
    if group:
        for (index, _), logit in zip(group, run([tile for _, tile in group])):
            logits[index].append(logit)
        group.clear()


def main():
    args = arguments()
    # TorchScript is deprecated, and what it still gains is PyTorch's due.
    warnings.simplefilter("ignore", FutureWarning)
    files = []
    for path in args.paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        files += inside[: args.limit]
    sys.path.insert(0, str(Path(__file__).parent))
    # Imported here once; the processes that are forked share it.
    import pydicom  # noqa: F401
    import torch  # noqa: F401
    from PIL import Image  # noqa: F401
    from torch.utils.data import DataLoader  # noqa: F401

    context = multiprocessing.get_context("fork")
    ready, results = context.Barrier(args.processes + 1), context.Queue()
    shares = [files[index :: args.processes] for index in range(args.processes)]
    processes = [
        context.Process(target=score, args=(args, share, ready, results)) for share in shares
    ]
    for process in processes:
        process.start()
    ready.wait()
    warm = time.perf_counter()
    found = [record for _ in processes for record in results.get()]
    seconds = time.perf_counter() - warm
    for process in processes:
        process.join()
    with args.output.open("w") as output:
        for record in sorted(found, key=lambda record: record["path"]):
            output.write(json.dumps(record) + "\n")
    settings = ["processes", "threads", "workers", "batch", "layout", "engine"]
    said = {
        "settings": {name: getattr(args, name) for name in settings},
        "images": len(found),
        "seconds": round(seconds, 3),
        "start_seconds": round(warm - BORN, 3),
    }
    print(json.dumps(said))
    sys.stdout.flush()
    os._exit(0 if len(found) == len(files) else 1)


if __name__ == "__main__":
    main()
