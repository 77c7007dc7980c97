"""Reports of audits for other readers: CI systems, editors, browsers, viewers of traces.  One module for each format; all give text."""
