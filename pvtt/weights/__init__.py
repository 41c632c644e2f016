"""Published networks that profiles and metrics name: the one list, fetching, checking."""
