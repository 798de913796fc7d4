"""Forward time of the detector beside ONNX Runtime's on the same graph, tiles and cores.

Usage: forward_onnx.py DETECTOR.onnx EXAMPLE CHECKPOINT FOLDER [--seconds S] [--rounds N] [--json FILE]

EXAMPLE is `model/examples/forward`, FOLDER holds 256x256 PNGs. Both sides take turns, round by round:
on a shared machine a neighbour then hits both. Exit status 1 when a logit differs by more than 1e-4.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SIDE = 256
# Passes side by side, threads of each.
ARRANGEMENTS = {1: [(1, 1)], 2: [(1, 2), (2, 1)]}


class OnnxRuntime:
    def __init__(self, path, tiles):
        self.path, self.tiles, self.sessions = path, tiles, {}

    def session(self, threads, index=0):
        if (threads, index) not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            self.sessions[threads, index] = onnxruntime.InferenceSession(
                self.path, options, providers=["CPUExecutionProvider"]
            )
        return self.sessions[threads, index]

    def logits(self):
        return self.session(1).run(["logits"], {"pixels": self.tiles})[0]

    def time(self, batch, workers, threads, seconds):
        pixels, times = self.tiles[:batch], []

        def work(index):
            session = self.session(threads, index)
            session.run(["logits"], {"pixels": pixels})
            begun = time.perf_counter()
            while (start := time.perf_counter()) - begun < seconds:
                session.run(["logits"], {"pixels": pixels})
                times.append(time.perf_counter() - start)

        running = [threading.Thread(target=work, args=(index,)) for index in range(workers)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return times


class Veraray:
    def __init__(self, example, checkpoint, tiles):
        self.file = tempfile.NamedTemporaryFile(suffix=".f32")
        tiles.astype("<f4").tofile(self.file.name)
        self.process = subprocess.Popen(
            [example, checkpoint, self.file.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args[0]} ended with status {self.process.wait()}")
        return json.loads(answer)

    def logits(self):
        return np.array(self.ask("logits"))

    def time(self, batch, workers, threads, seconds):
        return self.ask(f"time {batch} {workers} {threads} {seconds}")


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("onnx")
    parser.add_argument("example")
    parser.add_argument("checkpoint")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=0.4, help="of a round")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--against", help="another build of the example, timed in turn as well")
    args = parser.parse_args()

    # Half noise, half pictures: what is slow on one of them only would show.
    files = sorted(args.folder.glob("*.png"))[:4]
    pictures = [np.asarray(Image.open(file), dtype=np.float32) / 255 for file in files]
    noise = np.random.default_rng(1).random((8 - len(pictures), SIDE, SIDE), dtype=np.float32)
    tiles = np.concatenate([noise, np.stack(pictures)])[:, None]

    sides = {
        "onnxruntime": OnnxRuntime(args.onnx, tiles),
        "veraray": Veraray(args.example, args.checkpoint, tiles),
    }
    if args.against:
        sides["against"] = Veraray(args.against, args.checkpoint, tiles)
    expected = sides["onnxruntime"].logits()
    worst = float(np.abs(sides["veraray"].logits() - expected).max())
    print(f"onnxruntime {onnxruntime.__version__}, {len(tiles)} tiles of {SIDE}x{SIDE}")
    print(f"logits {expected.min():.3f} to {expected.max():.3f}, largest difference {worst:.1e}")

    report = {"largest_difference": worst, "rows": []}
    for cores, arrangements in ARRANGEMENTS.items():
        for batch in (1, 8):
            best = {}
            for workers, threads in arrangements:
                times = {name: [] for name in sides}
                for _ in range(args.rounds):
                    for name, side in sides.items():
                        times[name] += side.time(batch, workers, threads, args.seconds)
                for name, found in times.items():
                    # Milliseconds for one tile, with all workers counted.
                    tile = np.array(found) * 1e3 / (batch * workers)
                    row = {
                        "side": name,
                        "cores": cores,
                        "batch": batch,
                        "workers": workers,
                        "threads": threads,
                        "passes": len(found),
                        "least_ms": round(float(tile.min()), 3),
                        "median_ms": round(float(np.median(tile)), 3),
                        "load": load(),
                    }
                    report["rows"].append(row)
                    print(
                        f"{cores} cores, batch {batch}, {workers} x {threads} threads, {name}: "
                        f"{row['median_ms']:.2f} ms/tile median, {row['least_ms']:.2f} least, "
                        f"{len(found)} passes, load {row['load']}",
                        flush=True,
                    )
                    least = best.get(name, row)
                    best[name] = min(least, row, key=lambda row: row["median_ms"])
            ours, theirs = (best[name] for name in ("veraray", "onnxruntime"))
            print(
                f"  best arrangement of either on {cores} cores, batch {batch}: "
                f"{ours['median_ms'] / theirs['median_ms']:.2f} of ONNX Runtime's median time, "
                f"{ours['least_ms'] / theirs['least_ms']:.2f} of its least"
            )
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    return int(worst > 1e-4)


if __name__ == "__main__":
    sys.exit(main())
