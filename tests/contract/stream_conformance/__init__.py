"""What any implementation of `trimtab.v1` must do, as scripts of frames: see README.md."""
