"""The dataset: raw data and stage outputs are checked, joined, split and exported."""
