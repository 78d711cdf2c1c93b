"""What the engines on torch share: devices and memory, base models, the training loop, processes."""
