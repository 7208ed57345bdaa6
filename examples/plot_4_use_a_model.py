"""
Ask a trained model which sound was heard
=========================================

A cell keeps what it trained. Here a ridge regression learns from simulated listeners, and is then asked, window by
window of a recording, which of the stories goes best with the EEG.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eeg2speech_bench import benchmarks
from eeg2speech_bench.core.cli import default_cache

# %%
# Retrieval only: a minute on two CPU cores. The record is where the model is found.

(record,) = benchmarks.run("ridge", "simulated", overrides={"scores.which": "retrieval"}, results="results")
cell = benchmarks.load_cell(record, results="results")
print(*cell.verdict_lines(), sep="\n")
cell.signal.n_chans, cell.signal.sfreq, cell.listeners

# %%
# A recording of the first listener, and the sounds of the data set. In this recording the first story begins after
# ``onset_s`` seconds, as its table of events says.

root = sorted((default_cache() / "simulated").glob("simulated_8x32ch_*"))[0]
(recording,) = root.glob("sub-01/eeg/*.vhdr")
(table,) = root.glob("sub-01/eeg/*events.tsv")
first = pd.read_csv(table, sep="\t").iloc[0]
sounds = {path.stem: path for path in sorted((root / "stimuli").glob("*.ogg"))}
first["stim_file"], first["onset"]

# %%
# Which sound goes best with each window, if all of them had begun at that moment?

starts_s = first["onset"] + 2.88 * np.arange(15)
ranks = cell.rank(recording, sounds, listener="01", starts_s=starts_s, onset_s=first["onset"])
ranks[ranks["rank"] == 1]["candidate"].value_counts()

# %%
# The true story beside the others, over time:

scores = ranks.pivot_table(index="start_s", columns="candidate", values="score")
true = scores.pop(first["stim_file"].removesuffix(".ogg"))
scores.plot(color="0.8", legend=False, ylabel="match with the EEG", xlabel="time in the recording, s")
true.plot(color="C0", lw=2, label="the story that was heard")
plt.tight_layout()
plt.show()
