"""Makes segments of recordings and sounds: filters, resamples, splits, cuts windows, writes."""
