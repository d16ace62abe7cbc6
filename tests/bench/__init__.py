"""Benchmarks beside the vendor's SDK: ``python -m tests.bench`` prints a table and writes it into the README.

Every figure is taken in a process of its own (`ours`, `sdk`), against a service in another one (`service`).
"""
