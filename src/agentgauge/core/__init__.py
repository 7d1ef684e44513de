"""What a question and an answer are. Knows no vendor, no SQL, no HTTP and no MCP."""
