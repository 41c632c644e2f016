"""The `pvtt` command: each module parses its arguments, calls one function below and prints."""
