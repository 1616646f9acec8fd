"""One thin file a command: parses, calls, prints."""
