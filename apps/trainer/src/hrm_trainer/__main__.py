"""`python -m hrm_trainer` is the command `trainer`."""

from hrm_trainer.cli import entry_point

if __name__ == "__main__":
    entry_point()
