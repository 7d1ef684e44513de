"""Renders of any tool: over MCP, on the command line, as generated files. Hold no vendor's name."""
