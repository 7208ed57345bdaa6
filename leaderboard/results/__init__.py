"""Reads, checks, joins and shares results folders."""
