"""Engine two: the same specification as a PyMC model, sampled by MCMC."""
