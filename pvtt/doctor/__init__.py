"""Is this machine, and the cluster, ready for a run? Facts are gathered, then judged by small functions."""
