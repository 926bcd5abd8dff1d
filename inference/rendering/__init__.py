"""Pictures made here, with words and without: what the finder of words learns from, and what reading is measured on."""
