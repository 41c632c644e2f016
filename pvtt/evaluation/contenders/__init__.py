"""Contenders: whatever makes the product's video from what a user has. One file each, all listed in `all.py`."""
