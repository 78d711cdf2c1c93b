"""Data from elsewhere: other tools' files, scraped text, large models' labels and texts, people's answers.

All of it ends in one table that `labeltune init` understands.
"""
