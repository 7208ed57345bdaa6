"""Measures retrieval and generated speech: one value per segment, or one per set of clips."""
