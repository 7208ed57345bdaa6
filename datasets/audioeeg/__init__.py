"""The data set of the eeg2speech prototype: sounds, each with an embedding of the EEG that heard it."""
