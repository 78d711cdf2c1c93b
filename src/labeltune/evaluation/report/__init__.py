"""The measured quality of predictions, and how it is shown: as text, JSON, Markdown and a page."""
