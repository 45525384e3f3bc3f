"""The broker contract on kafka-python."""
