"""Pictures of a cell: what was generated, what was retrieved, by whom, and how it was learnt."""
