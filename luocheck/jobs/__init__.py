"""Many independent tasks as one job: on the cores of this machine or on a cluster, retried, kept in a file, answered in order.

Nothing here knows what a task is about.
"""
