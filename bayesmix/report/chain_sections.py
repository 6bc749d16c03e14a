"""The sections of an MCMC fit: its chains, and the MAP beside the posterior."""

from bayesmix.mcmc.explicit_chains import cost
from bayesmix.report import plots, words
from bayesmix.report.parts import Section, picture
from bayesmix.report.words import frame_table


def chains(mcmc, diagnosis):
    """Traces, ranks and R-hat of the chains, and where they were."""
    text = []
    judged = diagnosis.table[diagnosis.table["kind"] != "raw"]
    if judged["ess_bulk"].notna().any():
        text.append(
            f"Effective sample size: at least {judged['ess_bulk'].min():.0f} in the bulk "
            f"({judged['ess_bulk'].idxmin()}) and {judged['ess_tail'].min():.0f} in the tails "
            f"({judged['ess_tail'].idxmin()}), of {mcmc.log_posteriors.size} draws; 400 in the bulk are asked for."
        )
    stats = mcmc.groups.get("sample_stats")
    if stats is not None and "diverging" in stats:
        count, total = int(stats["diverging"].sum()), mcmc.log_posteriors.size
        text.append("No draw diverged." if count == 0 else f"{count} of {total} draws diverged.")
    if mcmc.settings.get("latent") == "explicit":
        text.append(cost(mcmc))
    homes = mcmc.settings.get("chain_modes")
    if homes and min(homes) >= 0 and len(mcmc.optima) > 1:
        text.append(f"The chains started near optima {', '.join(map(str, homes))} of the table above.")
    count, table = mcmc.shape[0], diagnosis.table
    pictures = [
        picture(plots.traces(mcmc),
                 f"Traces of {count} chains, raw beside relabelled, coloured by component.",
                 "Draws of each chain, one chain after the other: raw labels left, relabelled right. "
                 "Colours that change places on the left are switched labels; a step between chains on the "
                 "right is a real disagreement. Bottom: the label that each component had, draw by draw.", "png"),
        picture(plots.ranks(mcmc),
                 f"Rank departures from uniform for {count} chains, raw beside relabelled.",
                 "Ranks of each chain among all draws, as a departure from uniform; chains that sample "
                 "the same distribution stay in the grey band (99 % for independent draws).", "png"),
    ]  # fmt: skip
    if table["r_hat"].notna().any():
        pictures.append(
            picture(plots.r_hat_ladder(table),
                    "R-hat of every quantity: raw parameters, relabelled parameters, invariants.",
                    "R-hat, one point for each quantity; left of the dashed line is agreement. A high raw rung "
                    "alone is label switching, which R-hat can also miss; high invariants are chains that disagree.")
        )  # fmt: skip
    occupancy = getattr(diagnosis, "occupancy", None)
    if occupancy is not None and occupancy.shape[1] > 1:
        pictures.append(
            picture(plots.occupancy(diagnosis),
                     "Share of the draws of each chain in each optimum of the EM census.",
                     "Share of each chain's draws that climb to each optimum.", small=True)
        )  # fmt: skip
    folded = (("Convergence of every quantity", frame_table(table, "quantity")),)
    modes = getattr(diagnosis, "modes", None)
    if modes is not None and len(modes) > 1 and "region" in modes:
        folded = (("The optima, their regions and their estimated mass", frame_table(modes, "optimum")), *folded)
    return Section("chains", "The chains", text, tuple(pictures), folded=folded)


def comparison(table):
    """The MAP of each parameter beside its posterior."""
    text = [*words.comparison_sentences(table), words.comparison_names(table)]
    alt = f"Posterior intervals of {min(len(table), plots.MOST)} parameters with the MAP marked on each."
    caption = "MAP (diamond) beside the 90 % posterior interval, in posterior standard deviations about the mean."
    if len(table) > plots.MOST:
        caption += f" The first {plots.MOST} of {len(table)} parameters."
    rows = words.comparison_table(table)
    long = len(table) > 20
    return Section(
        "comparison", "MAP beside posterior", text, (picture(plots.comparison(table), alt, caption),),
        () if long else (rows,), ((f"All {len(table)} parameters", rows),) if long else (),
    )  # fmt: skip
