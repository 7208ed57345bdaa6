"""Draws pictures of a cell: what was generated and retrieved, by whom, and how it was learnt."""
