"""Tests of the store. Start with `conftest.py`, which says how a dialect joins the contract."""
