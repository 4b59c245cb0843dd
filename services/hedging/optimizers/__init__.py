"""Methods that choose hedges over several instruments, one file each."""
