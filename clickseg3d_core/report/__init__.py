"""Result folders to the paper's tables and figures."""
