"""Audio targets."""
