"""Files that are kept as evidence: sealed, in an object store, under retention, and never read without a reason."""
