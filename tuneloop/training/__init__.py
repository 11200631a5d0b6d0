"""Training: a function from files to files, run as `python -m tuneloop.training FOLDER`."""
