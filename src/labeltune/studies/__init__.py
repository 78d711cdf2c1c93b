"""What goes the whole way for one answer: what a model reaches that costs nothing, what an order can turn."""
