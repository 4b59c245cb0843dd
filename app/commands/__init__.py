"""Commands of `trimtab`: thin; each parses options, calls a use case or the service, and shows the result."""
