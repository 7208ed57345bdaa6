"""Measures the machine: hardware, versions, memory and energy."""
