"""`moat calibrate`, `moat calibrations` and `moat drift`."""
