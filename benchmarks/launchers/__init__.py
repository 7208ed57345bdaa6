"""Runs cells in processes of their own: the plan that they read, the server that starts them, the watch over them."""
