"""Where the product is in one picture: saliency, and the holes that a silhouette hides."""
