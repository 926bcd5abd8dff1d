"""Says what the text cascade is worth: on labelled lines that were kept from training, and on cases written here."""
