"""Contrastive alignment of encoders and audio targets."""
