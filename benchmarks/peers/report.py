"""What came out, as a table, as JSON, and as Markdown for the documents."""
