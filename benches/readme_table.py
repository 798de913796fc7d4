#!/usr/bin/env python3
"""Prints README's table of held-out families from benches/results/held_out/report.json."""

import json
import pathlib

root = pathlib.Path(__file__).resolve().parent
report = json.loads((root / "results/held_out/report.json").read_text())


def null(row, name):
    interval = row["null_models"].get(name)
    return f"{interval[0]:.3f}" if interval else "–"


def line(row):
    estimate, low, high = row["auroc"]
    name = f"`{row['family']}` ({row['images'][1]})"
    if not row["null_models"]:
        name = "forged without training: " + name
    if not row["seen"]:
        name += ", not trained on"
    return (
        f"| {name} | {estimate:.3f} ({low:.3f}–{high:.3f}) | {row['delivered_auroc'][0]:.3f} "
        f"| {100 * row['detection_rate']:.1f} % | {null(row, 'noise')} | {null(row, 'spectrum')} |"
    )


print("| family | AUROC (95 % interval) | after delivery | flagged at 1 % false alarms | null: noise | null: spectrum |")
print("|---|---|---|---|---|---|")
rows = sorted(report["families"], key=lambda row: (not row["null_models"], not row["seen"], -row["auroc"][0]))
for row in rows:
    print(line(row))
alarms = [1 - report["overall"][key]["real_accuracy"][0] for key in ("clean", "delivered")]
print(
    f"\n{report['families'][0]['images'][0]} authentic images; false alarms {100 * alarms[0]:.1f} %, delivered "
    f"{100 * alarms[1]:.1f} %; calibration error over the families trained on "
    f"{report['trained_calibration_error']:.3f}, over all {report['calibration_error']:.3f}"
)
