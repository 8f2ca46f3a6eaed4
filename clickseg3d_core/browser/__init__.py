"""Clicking in a web browser: what a ray meets, what a click does, and the page."""
