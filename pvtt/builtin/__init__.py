"""What the project ships, and how it is made: the sample shop and the base model wan-tiny."""
