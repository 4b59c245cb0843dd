"""The stream: what is read (`reader`, without I/O), when to stop (`closing`, `clock`), and how it is driven."""
