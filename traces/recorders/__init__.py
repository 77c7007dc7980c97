"""What records calls in a form that luocheck reads: data only, shipped with the package."""
