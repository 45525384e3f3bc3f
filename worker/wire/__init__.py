"""The messages: their fields, their headers, how they are read and written."""
