"""A large teacher for a GPU: a pretrained transformer. The package contains only its opinions of texts."""
