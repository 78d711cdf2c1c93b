"""Predictions in many files, measured as one: what adds up is added up, part after part."""
