"""Simulated users over the public API, and what their clicks achieve."""
