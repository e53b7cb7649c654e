"""What the end-to-end tests stand on: a server to start and kill, an HTTP client that
speaks the wire by hand, a model of the built-in stages, and a runner that prints TAP.
`support.leat` gathers what a test file needs."""
