"""Videos, pictures and masks on disk and as arrays: read, written, resized."""
