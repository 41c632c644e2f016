"""The stage contract: per-item, content-addressed, atomic, deterministic work with a failure budget."""
