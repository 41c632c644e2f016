"""Product photos: background removed, duplicates dropped, one size."""
