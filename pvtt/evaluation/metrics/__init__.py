"""Metrics over a generated video, its ground truth and the product's region: one file a family."""
