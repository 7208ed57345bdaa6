"""Reads speech, listener and voice out of embeddings with linear models, to see what they hold."""
