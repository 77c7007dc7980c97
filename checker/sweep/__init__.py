"""Many checks as one job: which runs there are, one run as a value that can be sent to another machine, and the table of all."""
