"""Holds recordings, the segments cut from them, and the clips that metrics compare."""
