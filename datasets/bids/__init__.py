"""Reads BIDS folders whose events place sounds in time."""
