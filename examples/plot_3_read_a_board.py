"""
Read a board
============
"""

print(1)
