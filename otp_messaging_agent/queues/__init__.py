"""Queues: in what order and by which thread a waiting message is handled."""
