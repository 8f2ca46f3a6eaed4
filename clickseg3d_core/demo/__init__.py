"""A first try on a small scan whose objects are known."""
