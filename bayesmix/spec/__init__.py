"""What is believed: priors, families, constraints, the mixture."""
