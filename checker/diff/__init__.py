"""Two specs compared: declarations, verdicts, and what user space can see of their runs."""
