"""Trains the autoencoder and the vocoder that are shipped."""

from eeg2speech_bench.benchmarks.pretraining.command import main

main()
