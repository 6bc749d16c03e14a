"""A saved fit opened in plain ArviZ: nothing of bayesmix is imported to read it.

    python models/inspect_in_arviz.py reports/old_faithful/fit.nc reports/old_faithful/arviz

A fit's file is a netCDF file with the groups ArviZ knows (posterior, sample_stats, log_likelihood, observed_data,
posterior_predictive) and some of its own (posterior_relabelled, allocation, modes). So everything in ArviZ works on it:
here a summary and a trace of the relabelled posterior, leave-one-out cross-validation, a predictive check, and the
rows that are hardest to assign. The pictures go into the folder that is named second.

What to look for: R-hat near 1 and ESS above 400 in the summary; Pareto k below the threshold at every row; the data
(black) amid the replicated data sets.
"""

import sys
from pathlib import Path

import arviz as az
import matplotlib

title = "A fit in plain ArviZ"


def main(fit="reports/old_faithful/fit.nc", out="reports/inspect_in_arviz"):
    """Print the tables and write trace.png and predictive.png to `out`."""
    matplotlib.use("Agg")
    tree, out = az.from_netcdf(fit), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    print(az.summary(tree, group="posterior_relabelled"))
    print(az.loo(tree))
    allocation = tree["allocation"].to_dataset()
    doubt = (allocation["upper"] - allocation["lower"]).max("component")
    print("Least certain rows:", doubt["obs"].values[doubt.argsort().values[::-1][:5]])
    az.plot_trace_dist(tree, group="posterior_relabelled", compact=False).savefig(out / "trace.png")
    az.plot_ppc_dist(tree, cols=["feature"], num_samples=30).savefig(out / "predictive.png")
    tree.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
