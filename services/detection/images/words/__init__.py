"""Words in pictures: where they may be, what they say, and what the text path says of them."""
