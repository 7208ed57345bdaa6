"""Counts false verdicts of known, new and calibrated listeners whose EEG has nothing to do with the sound.

Usage: ``python benchmarks/validity/new_listeners.py``. Nine listeners have EEG of white noise; three are held out.
The stages of a retrieval cell are run on them again and again with ridge, each time with another EEG.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from eeg2speech_bench.benchmarks.scoring.scores import Scores
from eeg2speech_bench.benchmarks.stage_inputs import CalibrateInputs, ClipsInputs, EmbedInputs, ScoreInputs
from eeg2speech_bench.benchmarks.validity.white_noise import SCORES, FalseVerdicts, NoiseCell, noise_cells, run_one
from eeg2speech_bench.core.conditions import EMBEDDED
from eeg2speech_bench.core.records.groups import GroupScores
from eeg2speech_bench.core.registry.registry import load_registry

HELD_OUT, CALIBRATION_MIN = "1/3", 1.0


def score_cell(cell: NoiseCell) -> Scores:
    """Run the stages of a retrieval cell from alignment on."""
    top1 = load_registry().get("metric", "top1")
    listeners: dict[str, Any] = {"prepared": cell.prepared, "held_out": HELD_OUT}
    common = listeners | {
        "features": cell.features,
        "pair": cell.pair,
        "device": "cpu",
        "aligned": cell.align(HELD_OUT),
    }
    calibration = run_one(CalibrateInputs(**common, minutes=CALIBRATION_MIN), cell.folder / "calibrate")
    clips = run_one(ClipsInputs(n_clips=2, **listeners), cell.folder / "clips")
    embed = EmbedInputs(**common, clips=clips, calibration=calibration, standardise=True, seed=cell.seed)
    score = ScoreInputs(
        **listeners,
        embedded=run_one(embed, cell.folder / "embed"),
        words=None,
        generated=None,
        ceilings=None,
        conditions=EMBEDDED,
        metrics=(top1,),
        scores=SCORES,
        modality="eeg",
        seed=cell.seed,
    )
    return Scores.read(run_one(score, cell.folder / "score"))


def main(arguments: Sequence[str]) -> int:
    """Print how often each group was said to carry signal, and how often one control alone was beaten."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40, help="each gives three verdicts (default: 40)")
    counts = FalseVerdicts()
    for cell in noise_cells(parser.parse_args(arguments).cells):
        scores = score_cell(cell)
        groups: list[tuple[str, Scores | GroupScores]] = [("new", scores), *scores.groups.items()]
        for group, own in groups:
            counts.add_verdict(group, own.verdict["top1"].distinguishable)
            for test in own.tests:
                counts.add_test(group, test)
        counts.say(cell)
    counts.print_table("listeners")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
