"""Every setting: its meaning, where its value comes from, and how it is shown."""
