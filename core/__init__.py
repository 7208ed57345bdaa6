"""Holds the generator, the contracts, and what every room shares.

Importing this package loads nothing heavy.
"""
