"""`veraray scan` beside pipeline_pytorch.py: whole processes, in turn, on the same images and cores.

Usage: compare_pipelines.py VERARAY WEIGHTS.safetensors FOLDER [--runs N] [--json FILE]

FOLDER holds one folder of images per kind. PyTorch runs with several settings on some images of every
kind first; the fastest is then kept for that kind. Exit status 1 when a score differs by more than 1e-3.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = Path(__file__).with_name("pipeline_pytorch.py")
CORES = os.cpu_count()
SETTINGS = [
    f"--processes {CORES} --threads 1 --engine eager --layout channels_last",
    f"--processes {CORES} --threads 1 --engine eager --layout channels_last --batch 2",
    f"--processes {CORES} --threads 1 --engine eager --layout contiguous",
    f"--processes {CORES} --threads 1 --engine frozen --layout channels_last",
    f"--processes {CORES} --threads 1 --engine frozen --layout channels_last --batch 2",
    f"--processes 1 --threads {CORES} --engine frozen --layout channels_last --batch 16",
    f"--processes 1 --threads {CORES} --engine frozen --layout channels_last --workers {CORES}",
]


def run(command, **options):
    """Seconds, MiB of the largest process, and standard output of a command."""
    with tempfile.NamedTemporaryFile("r") as report:
        start = time.perf_counter()
        # A status of 1 says that an image was flagged.
        done = subprocess.run(
            ["/usr/bin/time", "-f", "%M", "-o", report.name, *command],
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        seconds = time.perf_counter() - start
        if done.returncode not in (0, 1):
            sys.exit(f"status {done.returncode}: {' '.join(map(str, command))}")
        memory = int(report.read().split()[-1]) / 1024
    return seconds, memory, done.stdout


def scores(path):
    records = map(json.loads, path.read_text().splitlines())
    return {record["path"]: record["score"] for record in records}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("veraray", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sample", type=int, default=40, help="images per kind to choose settings by")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    ours, theirs = work / "ours.jsonl", work / "theirs.jsonl"

    def pytorch(images, settings, *more):
        command = [sys.executable, PIPELINE, args.weights, theirs, images, *settings.split(), *more]
        seconds, memory, said = run(command)
        return {"process_seconds": seconds, "memory_mib": memory, **json.loads(said)}

    def veraray(images):
        ours.unlink(missing_ok=True)
        command = [args.veraray, "scan", "--quiet", "--device", "cpu", "--jobs", str(CORES)]
        seconds, memory, _ = run([*command, "--format", "jsonl", "--output", ours, images])
        return {"process_seconds": seconds, "memory_mib": memory}

    print(f"python {sys.version.split()[0]}, {CORES} cores; images/s of PyTorch by settings,")
    print(f"{args.sample} images of each kind, start and warming up not counted:")
    report, worst = {"kinds": {}}, 0.0
    for images in sorted(path for path in args.folder.iterdir() if path.is_dir()):
        tried = []
        for settings in SETTINGS:
            found = pytorch(images, settings, "--limit", str(args.sample))
            rate = found["images"] / found["seconds"]
            tried.append((rate, settings))
            print(f"  {images.name} {settings}: {rate:.1f}", flush=True)
        best = max(tried)[1]
        rounds = []
        for index in range(args.runs):
            a, b = veraray(images), pytorch(images, best)
            rounds.append({"veraray": a, "pytorch": b})
            count = b["images"]
            print(
                f"{images.name} run {index + 1}, {count} images: "
                f"veraray {a['process_seconds']:.2f} s ({count / a['process_seconds']:.1f} images/s), "
                f"{a['memory_mib']:.0f} MiB; pytorch {b['process_seconds']:.2f} s, of which "
                f"{b['start_seconds']:.2f} s to start and warm up "
                f"({count / b['seconds']:.1f} images/s after that), "
                f"{b['memory_mib']:.0f} MiB in the largest process, load {os.getloadavg()[0]:.2f}",
                flush=True,
            )
        found, expected = scores(ours), scores(theirs)
        if found.keys() != expected.keys():
            sys.exit(f"{images.name}: not the same images")
        difference = max(abs(found[path] - expected[path]) for path in found)
        worst = max(worst, difference)
        middle = lambda values: statistics.median(list(values))
        whole = middle(r["veraray"]["process_seconds"] for r in rounds)
        after = middle(r["pytorch"]["seconds"] for r in rounds)
        process = middle(r["pytorch"]["process_seconds"] for r in rounds)
        print(
            f"  {images.name}: veraray's whole process is {after / whole:.2f} times as fast as PyTorch "
            f"without its start, {process / whole:.2f} times with it (medians); scores differ by "
            f"{difference:.1e} at most; PyTorch with {best}",
            flush=True,
        )
        report["kinds"][images.name] = {
            "tried": [{"images_per_second": rate, "settings": s} for rate, s in tried],
            "rounds": rounds,
            "largest_difference": difference,
        }
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(worst > 1e-3)


if __name__ == "__main__":
    sys.exit(main())
