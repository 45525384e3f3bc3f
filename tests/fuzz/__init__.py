"""What reads foreign bytes, fed with a million inputs: `make fuzz`. What broke once is kept in `corpus/`."""
