"""Published data sets and plain folders, read scene by scene."""
