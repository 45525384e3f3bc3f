"""From a tokenized review to a score: batches, the engine threads, the cache, reloads."""
