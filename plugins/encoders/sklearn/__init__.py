"""Turns estimators that follow scikit-learn's conventions into encoders of time-lagged EEG."""
