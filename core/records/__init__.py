"""Describes a finished cell: one JSON file with scores, controls, cost and provenance."""
