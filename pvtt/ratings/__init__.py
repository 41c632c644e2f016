"""Human ratings of generated videos: a local page, an append-only file, and a summary with the raters' agreement."""
