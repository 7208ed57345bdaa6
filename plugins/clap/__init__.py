"""Holds what CLAP's audio target and its two encoders share (contrastive language-audio pretraining)."""
