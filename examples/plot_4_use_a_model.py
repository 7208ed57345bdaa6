"""
Ask a trained model which sound was heard
=========================================

A ridge regression learns from simulated listeners. Then it is asked which of the stories goes best with their EEG.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eeg2speech_bench import benchmarks
from eeg2speech_bench.core.cli import default_cache

# %%
# Retrieval only. A cell keeps what it trained, and its record says where.

(record,) = benchmarks.run("ridge", "simulated", overrides={"scores.which": "retrieval"}, results="results")
cell = benchmarks.load_cell(record, results="results")
cell.verdict_lines()

# %%
# A recording of the training, so it shows how a model is used; the verdict says how good it is on what it did not see.

root = max((default_cache() / "simulated").glob("simulated_8x32ch_*"), key=lambda folder: folder.stat().st_mtime)
first = pd.read_csv(next(root.glob("sub-01/eeg/*events.tsv")), sep="\t").iloc[0]
sounds = {path.stem: path for path in sorted((root / "stimuli").glob("*.ogg"))}

# %%
# The match of each story with the EEG, window by window, had all of them begun at that moment:

starts_s = first["onset"] + 2.88 * np.arange(15)
heard = next(root.glob("sub-01/eeg/*.vhdr"))
ranks = cell.rank(heard, sounds, listener="01", starts_s=starts_s, onset_s=first["onset"])
scores = ranks.pivot_table(index="start_s", columns="candidate", values="score")
true = scores.pop(first["stim_file"].removesuffix(".ogg"))
scores.plot(color="0.8", legend=False, ylabel="match with the EEG")
true.plot(color="C0", lw=2, xlabel="time in the recording, s")  # the story that was heard
plt.tight_layout()
plt.show()
