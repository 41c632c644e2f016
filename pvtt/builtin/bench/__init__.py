"""PVTT-Bench's synthetic triplets: products of a family of their own, filmed twice in the same shots."""
