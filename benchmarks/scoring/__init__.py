"""Scores a cell: values per segment, their levels of chance, intervals, tests and verdicts."""
