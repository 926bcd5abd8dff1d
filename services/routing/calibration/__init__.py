"""Limits of a community's own: found from its reviewers' labels, applied to its items alone, watched for drift."""
