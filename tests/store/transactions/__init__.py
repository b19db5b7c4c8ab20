"""Transactions of callers and of tasks: what holds on every store."""
