"""Metrics: per-segment values first, aggregates second."""
