"""PVTT: product video template transfer."""

__version__ = "0.1.0"
