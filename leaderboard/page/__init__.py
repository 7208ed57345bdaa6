"""The board as a static folder of pages that opens from disk and from any static host."""
