"""The engine behind `scanwise serve` and `scanwise view`: scans, jobs, results and corrections, over HTTP."""
