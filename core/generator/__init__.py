"""The latent diffusion generator: mel, autoencoder, denoiser, sampling, vocoder."""
