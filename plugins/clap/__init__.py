"""CLAP, contrastive language-audio pretraining: what its audio target and its two encoders share."""
