"""`python -m pvtt.cli`."""

from pvtt.cli.main import main

main()
