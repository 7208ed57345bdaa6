"""Reads trained weights from files and fills networks with them, wholly or not at all."""
