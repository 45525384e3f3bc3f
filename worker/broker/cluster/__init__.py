"""Questions to a cluster besides reading and writing records: topics, groups, offsets, permissions."""
