"""Every setting: what exists, where its value comes from, how it is shown."""
