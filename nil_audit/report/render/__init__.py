"""One description of a page, rendered to terminal, Markdown and HTML."""
