"""The engine of the base install: words and pieces of words, and a linear model over them."""
