"""Intervals for measured means."""
