"""Opens the EEG of Brennan and Hale (2019): listeners to a chapter of Alice in Wonderland, in three releases."""
