"""Counts what `veraray inspect`, and dciodvfy beside it, find of seeded edits.

usage: inspect_table.py VERARAY EDITS_DIR RESULTS_DIR [NATIVE_DIR]

Reads EDITS_DIR/edits.csv. Writes edits.csv and unedited.csv (raw) and report.md to RESULTS_DIR.
NATIVE_DIR: a folder of authentic images that were never edited, for the false alarms of traces.
"""

import collections
import concurrent.futures
import csv
import json
import pathlib
import subprocess
import sys

import pydicom

VERARAY, EDITS, RESULTS = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
NATIVE = pathlib.Path(sys.argv[4]) if len(sys.argv) > 4 else None
RESULTS.mkdir(parents=True, exist_ok=True)
POOL = concurrent.futures.ThreadPoolExecutor(4)


def inspect(paths):
    """Records of one run; the files are compared with each other."""
    listed = "\n".join(map(str, paths)) + "\n"
    run = subprocess.run([VERARAY, "inspect", "-", "--format", "jsonl", "--quiet"], input=listed, capture_output=True, text=True)
    if run.returncode not in (0, 1, 2):
        sys.exit(run.stderr)
    return [json.loads(line) for line in run.stdout.splitlines()]


def codes(record):
    return {finding["code"] for finding in record["findings"]}


def dciodvfy(path):
    """Its errors and warnings, without the file's own values; None when it crashes."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, timeout=60)
    if run.returncode < 0:
        return None
    lines = run.stderr.decode("latin1").splitlines()
    return {line for line in lines if line.startswith(("Error", "Warning"))}


with open(EDITS / "edits.csv") as file:
    rows = list(csv.DictReader(file))

bases = sorted({row["base"] for row in rows})
# One at a time: bases must not be compared with each other.
before = {base: records[0] for base, records in zip(bases, POOL.map(lambda base: inspect([base]), bases))}

# Files of one edit that belong together are compared with each other, all others one by one: the
# pair's finding stands with whichever file comes second.
pairs = [row["file"] for row in rows if row["file"].endswith("/b.dcm")]
alone = [row["file"] for row in rows if not row["file"].endswith("/b.dcm")]
jobs = [sorted(pathlib.Path(path).parent.iterdir()) for path in pairs]
jobs += [alone[at : at + 50] for at in range(0, len(alone), 50)]
after = {record["path"]: record for records in POOL.map(inspect, jobs) for record in records}

table = collections.OrderedDict()
checked = sorted({path for row in rows if row["file"].endswith(".dcm") for path in (row["base"], row["file"]) if path.endswith(".dcm")})
validated = dict(zip(checked, POOL.map(dciodvfy, checked)))
for row in rows:
    entry = table.setdefault((row["edit"], row["code"]), collections.Counter())
    code = row["code"].lstrip("!")
    found = code in codes(after[row["file"]])
    known = code in codes(before[row["base"]])
    if row["code"].startswith("!"):
        entry["files"] += 1
        entry["false"] += found
    elif known:
        entry["had it before"] += 1
        continue
    else:
        entry["files"] += 1
        entry["found"] += found
    if row["file"].endswith(".dcm") and row["base"].endswith(".dcm"):
        old, new = validated[row["base"]], validated[row["file"]]
        entry["dciodvfy files"] += 1
        if new is None:
            entry["dciodvfy crashed"] += 1
        elif new - (old or set()):
            entry["dciodvfy"] += 1

with open(RESULTS / "edits.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["edit", "code", "files", "found", "had_it_before", "false_alarms", "dciodvfy_files", "dciodvfy_new_message", "dciodvfy_crashed"])
    for (edit, code), entry in table.items():
        writer.writerow([edit, code, entry["files"], entry["found"], entry["had it before"], entry["false"], entry["dciodvfy files"], entry["dciodvfy"], entry["dciodvfy crashed"]])

# ------------------------------------------------------------------ unedited files

folder = pathlib.Path(pydicom.__file__).parent / "data/test_files"
unedited = sorted(p for p in folder.rglob("*") if p.is_file())
counts = collections.Counter()
lines = []
looked = POOL.map(lambda path: (path, inspect([path]), dciodvfy(path)), unedited)
for path, records, theirs in looked:
    if not records or records[0]["format"] != "dicom":
        continue
    record = records[0]
    counts["files"] += 1
    counts["dciodvfy crashed"] += theirs is None
    counts["dciodvfy error"] += any(line.startswith("Error") for line in theirs or ())
    warned = [f for f in record["findings"] if f["severity"] == "warning"]
    counts["warned"] += bool(warned)
    type1 = any(f["code"] == "dicom.module.type1" for f in record["findings"])
    missing = any("Missing attribute" in line or "Empty attribute" in line for line in theirs or ())
    counts["type 1 missing: both"] += type1 and missing
    counts["type 1 missing: only veraray"] += type1 and not missing and theirs is not None
    counts["type 1 missing: only dciodvfy"] += missing and not type1
    for finding in record["findings"]:
        lines.append([str(path.relative_to(folder)), finding["severity"], finding["code"], finding["message"]])
with open(RESULTS / "unedited.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "severity", "code", "message"])
    writer.writerows(line for line in lines if line[1] == "warning")

native = []
if NATIVE:
    files = sorted(p for p in NATIVE.rglob("*") if p.is_file())
    by_folder = collections.defaultdict(list)
    for path in files:
        by_folder[str(path.parent.relative_to(NATIVE))].append(path)
    for name, paths in by_folder.items():
        seen = collections.Counter()
        batches = [paths[at : at + 10] for at in range(0, len(paths), 10)]
        for record in (record for records in POOL.map(inspect, batches) for record in records):
            seen["files"] += record["format"] is not None
            seen["warned"] += any(f["severity"] == "warning" for f in record["findings"])
            for code in codes(record):
                seen[code] += 1
        native.append((name, seen))

with open(RESULTS / "report.md", "w") as out:
    say = lambda text="": print(text, file=out)
    say("# Seeded edits")
    say()
    say("Found: files in which `veraray inspect` reports the code, of those whose original does not already have it. dciodvfy: files in which it says anything new.")
    say()
    say("| edit | code | found | dciodvfy |")
    say("|---|---|---|---|")
    total = collections.Counter()
    for (edit, code), entry in table.items():
        if code.startswith("!") or not entry["files"]:
            continue
        total["files"] += entry["files"]
        total["found"] += entry["found"]
        theirs = f"{entry['dciodvfy']} of {entry['dciodvfy files']}" if entry["dciodvfy files"] else "–"
        if entry["dciodvfy crashed"]:
            theirs += f", {entry['dciodvfy crashed']} crashed"
        say(f"| {edit} | `{code}` | {entry['found']} of {entry['files']} | {theirs} |")
    say(f"| all | | {total['found']} of {total['files']} | |")
    say()
    say("## Controls: nothing is to be found")
    say()
    say("| control | code | false alarms |")
    say("|---|---|---|")
    for (edit, code), entry in table.items():
        if code.startswith("!"):
            say(f"| {edit} | `{code[1:]}` | {entry['false']} of {entry['files']} |")
    say()
    say("# Unedited files of pydicom")
    say()
    say(f"{counts['files']} DICOM files: {counts['warned']} with a warning (all in unedited.csv). dciodvfy: {counts['dciodvfy error']} with an error, {counts['dciodvfy crashed']} on which it crashed.")
    say()
    say(f"Absent or empty required attributes: {counts['type 1 missing: both']} files where both say so, {counts['type 1 missing: only veraray']} veraray alone, {counts['type 1 missing: only dciodvfy']} dciodvfy alone.")
    say()
    say("| code | severity | files |")
    say("|---|---|---|")
    per = collections.Counter((line[2], line[1]) for line in {(l[0], l[1], l[2]): l for l in lines}.values())
    for (code, severity), number in sorted(per.items(), key=lambda item: (item[0][1] != "warning", item[0][1], -item[1])):
        say(f"| `{code}` | {severity} | {number} |")
    if native:
        traces = ["image.jpeg_history", "image.resampled", "jpeg.double"]
        say()
        say("# Authentic images, unedited")
        say()
        say("| folder | files | with a warning | " + " | ".join(f"`{t}`" for t in traces) + " | other notices and warnings |")
        say("|---|---|---|---|---|---|---|")
        quiet = {"dicom.module.type1", "dicom.module.type2"}
        for name, seen in native:
            other = [f"`{code}` {number}" for code, number in seen.most_common() if "." in code and code not in traces and code not in quiet][:8]
            say(f"| {name} | {seen['files']} | {seen['warned']} | " + " | ".join(str(seen[t]) for t in traces) + f" | {', '.join(other)} |")
