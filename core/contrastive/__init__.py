"""Aligns encoders with audio targets by a contrastive loss."""
