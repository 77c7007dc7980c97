"""Speed and memory, side by side with other tools: see README.md."""
