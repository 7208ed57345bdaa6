"""
Read a board
============

A results folder is all that is needed: no torch, no EEG. This one is what the other examples left in ``results``; after
``eeg2speech-bench leaderboard pull OWNER/NAME`` it holds what others shared, too.
"""

import matplotlib.pyplot as plt

from eeg2speech_bench import leaderboard

results = leaderboard.read_results("results")

# %%
# Ranks are intervals, and encoders that share a letter cannot be told apart.

results.ranks("top1")[["encoder", "rank_low", "rank_high", "letters", "baseline", "margin", "p"]]

# %%
# What it cost, in seconds of each stage:

results.stages.pivot_table(index="encoder", columns="stage", values="seconds", sort=False)

# %%
# Each encoder under its EEG and under its best control:

top1 = results.scores.query("metric == 'top1'")
signal = top1.query("condition == 'eeg'").groupby("encoder")[["value", "low", "high"]].mean().sort_values("value")
control = top1.query("condition in ('shift', 'phase', 'shuffle', 'mean', 'none')").groupby("encoder")["value"].max()
bars = [signal["value"] - signal["low"], signal["high"] - signal["value"]]
plt.errorbar(signal["value"], signal.index, xerr=bars, fmt="o", label="EEG")
plt.plot(control.reindex(signal.index), signal.index, "kx", label="best control")
plt.xlabel("top-1")
plt.legend()
plt.tight_layout()
plt.show()
