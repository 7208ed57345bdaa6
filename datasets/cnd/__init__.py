"""Opens data sets in CND, the format of the CNSP workshop: trials of EEG beside features of what was heard."""
