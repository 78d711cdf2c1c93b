"""Sentence vectors that others trained, a linear model over them, and the engine `linear` beside it."""
