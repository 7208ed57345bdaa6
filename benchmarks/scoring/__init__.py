"""What the stage ``score`` is made of: values per segment, their levels of chance, intervals, tests and verdicts."""
