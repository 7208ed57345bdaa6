"""
Run encoders and read their scores
==================================

Two encoders are trained on simulated listeners and scored beside their controls: does the brain module find the right
sound more often than a ridge regression, and do both beat the same pipeline without signal?
"""

import matplotlib.pyplot as plt

from eeg2speech_bench import benchmarks, leaderboard

# %%
# Retrieval only, and a few steps: minutes on two CPU cores. A stage that is there already is not run again.

few_steps = {"scores.which": "retrieval", "alignment.max_epochs": 2, "alignment.steps_per_epoch": 40}
records = benchmarks.run(["brainmagick", "ridge"], "simulated", preset="quick", overrides=few_steps, results="results")
print([record.status for record in records])

# %%
# Every score is a row: the cell, the metric, the condition, its interval and what guessing reaches.

results = leaderboard.read_results("results")
top1 = results.scores.query("metric == 'top1' and dataset == 'simulated'")
top1[["encoder", "condition", "value", "low", "high", "chance"]]

# %%
# One encoder against the other, on the same segments:

results.compare("brainmagick", "ridge")[["label", "mean_a", "mean_b", "effect", "low", "high", "p_holm", "n_better"]]

# %%
# A claim must beat every control; ``audio`` is the ceiling.

top1.pivot_table(index="condition", columns="encoder", values="value", sort=False).plot.barh(xlabel="top-1")
plt.tight_layout()
plt.show()
