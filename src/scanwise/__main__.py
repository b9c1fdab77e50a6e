"""`python -m scanwise`, as torchrun starts it."""

from scanwise.app.cli import main

main()
