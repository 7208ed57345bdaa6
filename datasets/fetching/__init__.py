"""Public data sets and checkpoints are downloaded, verified and put in their place."""
