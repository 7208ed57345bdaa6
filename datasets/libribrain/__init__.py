"""Reads LibriBrain: hours of one listener to audiobooks, recorded by MEG."""
