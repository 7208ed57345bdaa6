"""Splits stimulus time into train, valid and test, and proves that they share no audio."""
