"""From measurements to a verdict and the next step: pure functions, no files, no clock."""
