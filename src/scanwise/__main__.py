"""`scanwise`, and `python -m scanwise`, as torchrun starts it: Ctrl-C is one line even while modules are imported."""


def run() -> None:
    """Runs the command line; see `scanwise.app.cli.main`."""
    try:
        from scanwise.app.cli import main

        main()
    except KeyboardInterrupt:
        import sys

        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()
