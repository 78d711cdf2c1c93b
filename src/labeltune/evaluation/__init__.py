"""From predictions to figures that people can decide from.

`evaluate` is the use case; `predictions` reads what predict wrote, `metrics/` computes on label matrices,
`comparing`, `confidence`, `gates` and `thresholds` decide by them, and `report/` says them as text, JSON,
Markdown and as a page.
"""
