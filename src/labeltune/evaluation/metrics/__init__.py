"""Label matrices in, numbers out. Every definition is stated in docs/explanation/metrics.md."""
