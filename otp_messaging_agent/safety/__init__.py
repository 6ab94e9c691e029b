"""What protects people and data: encryption, sending limits, quiet hours, outgoing HTTP."""
