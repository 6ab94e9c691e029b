"""The product, six verbs in this order: ingest, validate, enqueue, route, deliver, report.

`verify` is the way back: the code somebody typed, checked.
"""
