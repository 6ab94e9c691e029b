"""Stores: the truth. What is committed here was accepted; everything else can be rebuilt."""
