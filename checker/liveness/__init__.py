"""Claims about the long run, on the finished graph of states: `liveness P leads to Q assuming E, F succeeds`."""
