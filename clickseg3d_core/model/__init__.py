"""Networks: the Point Transformer V3 backbone and what is built on it, in plain PyTorch."""
