"""The tables of docs/results/ and docs/performance.md, from the rows of docs/results/data/: standard library alone."""
