"""wan-tiny, the small base model: its clips, its training, its export."""
