"""Vendors: one file each, found by its name. Start with `base.py` and docs/ADDING_A_PROVIDER.md."""
