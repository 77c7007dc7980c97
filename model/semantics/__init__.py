"""The reference meaning of the IR: states, expressions, calls.  Small and without cleverness; every other engine must agree with it."""
