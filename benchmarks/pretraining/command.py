"""Makes the sounds, trains on them and writes weights: python -m eeg2speech_bench.benchmarks.pretraining."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    """Train both parts, or one."""
    parser = argparse.ArgumentParser(prog="pretraining", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ljspeech/; gets the sounds")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and weights")
    parser.add_argument("--minutes", type=float, default=60.0, help="for each part")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--part", choices=["autoencoder", "vocoder"], action="append", help="both where not given")
    asked = parser.parse_args(arguments)
    import torch

    from eeg2speech_bench.benchmarks.pretraining.sounds import MANIFEST, make_sounds, manifest_of
    from eeg2speech_bench.benchmarks.pretraining.training import train, write_weights

    device = ("cuda" if torch.cuda.is_available() else "cpu") if asked.device == "auto" else asked.device
    asked.out.mkdir(parents=True, exist_ok=True)
    sounds = make_sounds(asked.data)
    manifest = manifest_of(sounds)
    (asked.out / "manifest.txt").write_text(manifest, encoding="utf8")
    same = MANIFEST.is_file() and manifest == MANIFEST.read_text(encoding="utf8")
    print(f"{len(sounds)} sounds, {'the same as' if same else 'other than'} those of the shipped weights; on {device}")
    for part in asked.part or ["autoencoder", "vocoder"]:
        trained = train(part, sounds, asked.out, asked.minutes, device)
        write_weights(trained, sounds, asked.out / f"{part}.safetensors", manifest, device)


if __name__ == "__main__":
    main()
