"""`python -m app`: the same as `chatfold serve`."""

import sys

from app.cli.main import run

if __name__ == "__main__":
    run(["serve", *sys.argv[1:]])
