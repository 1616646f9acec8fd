"""Tables, plots, Markdown and HTML: the only room that formats."""
