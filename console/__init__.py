"""The console: the only package that imports Textual; the command line; wires everything together."""
