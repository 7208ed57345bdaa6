"""Trains and judges the autoencoder and the vocoder whose weights are shipped."""
