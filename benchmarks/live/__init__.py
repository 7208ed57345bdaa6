"""Uses a trained model on a stream of EEG while it is recorded."""
