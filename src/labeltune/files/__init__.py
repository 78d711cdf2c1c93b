"""What lies on the disk: tables and chat files read row by row, files written whole, findings collected.

`tables/` reads and writes CSV, TSV, JSON Lines, Parquet and Excel; `jsonl` is chat files; `sources` opens
both (gzip, standard input), `findings` collects what is wrong in them. `writing` writes one file whole,
`staging` several together; `threshold_file` is what `thresholds` writes and predict and evaluate read;
`write_ahead` is how SQLite's files that several processes open keep their log.
"""
