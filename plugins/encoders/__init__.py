"""Conditioning encoders."""
