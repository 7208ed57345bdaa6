"""Generates speech by latent diffusion: mel, autoencoder, denoiser, sampling, vocoder."""
