"""An environment with a small VBench: its launcher's options, its files and its results' layout, on real videos.

What it measures is VBench's temporal flickering, whatever dimension is asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path

LAUNCHER = """
import argparse, json, os, sys
from datetime import datetime
import cv2, numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--output_path", default="./evaluation_results/")
parser.add_argument("--videos_path", required=True)
parser.add_argument("--dimension", nargs="+", required=True)
parser.add_argument("--mode", choices=["custom_input", "vbench_standard", "vbench_category"], default="vbench_standard")
parser.add_argument("--prompt_file")
asked = parser.parse_args()
assert asked.mode == "custom_input"
os.makedirs(asked.output_path, exist_ok=True)


def figure(path):
    capture, frames = cv2.VideoCapture(path), []
    while (read := capture.read())[0]:
        frames.append(read[1].astype(np.float32))
    return float(1 - np.mean([np.abs(a - b).mean() for a, b in zip(frames, frames[1:])]) / 255)


paths = [os.path.join(asked.videos_path, name) for name in os.listdir(asked.videos_path) if name.endswith(".mp4")]
results = {}
for dimension in asked.dimension:
    scale = 100 if dimension == "imaging_quality" else 1
    videos = [{"video_path": path, "video_results": figure(path) * scale} for path in paths]
    if dimension == "background_consistency":
        videos = [one | {"video_sim": 1.0, "cnt_per_video": 4} for one in videos]
    results[dimension] = (sum(one["video_results"] for one in videos) / len(videos) / scale, videos)
name = os.path.join(asked.output_path, datetime.now().strftime("results_%Y-%m-%d-%H:%M:%S"))
FAULT
with open(name + "_full_info.json", "w") as file:
    info = [{"prompt_en": os.path.basename(p)[:-4], "dimension": asked.dimension, "video_list": [p]} for p in paths]
    json.dump(info, file, indent=4)
with open(name + "_eval_results.json", "w") as file:
    file.write(json.dumps(results, indent=4)[:END])
print("done")
"""


def make_environment(folder: Path, fault: str = "", end: int | None = None) -> Path:
    """An environment; returns its Python.

    Args:
        folder: Where it is made.
        fault: Code that runs before the results are written.
        end: Letters of the results that are written; None: all.
    """
    package = folder / "site" / "vbench" / "launch"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").touch()
    (package / "evaluate.py").write_text(LAUNCHER.replace("FAULT", fault).replace("END", str(end)))
    about = folder / "site" / "vbench-0.1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vbench\nVersion: 0.1.5\n")
    return make_python(folder)


def make_python(folder: Path) -> Path:
    """The Python of a folder, which finds what is in its `site`."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/site" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python
