"""Where a question is put: a local store, behind the dialects' guards, or (later) a vendor's own API."""
