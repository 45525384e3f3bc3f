"""What is asked of a cluster beside the stream of reviews: topics, groups, offsets, permissions."""
