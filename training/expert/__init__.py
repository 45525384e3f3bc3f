"""A large teacher for a GPU: a pretrained transformer. Only what it thinks of texts is shipped."""
