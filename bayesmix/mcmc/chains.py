"""Chains side by side: what is kept when one fails, when Ctrl-C comes, and what is already on disk.

A sampler says how to draw one chain; everything around it is written here once, for all samplers.
Chains run in threads of this process (or in workers), the main thread waits: so Ctrl-C is always heard,
and each chain ends at its next step and gives back what it has.
"""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from bayesmix.errors import InputError
from bayesmix.mcmc.faults import fault

HEARTBEAT = 0.1  # seconds between two looks at the progress of the chains


@dataclass(frozen=True)
class Job:
    """What a sampler is asked for."""

    model: object  # the pm.Model, or the resolved Mixture for Gibbs
    data: object
    starts: list  # theta of each chain
    seeds: np.ndarray  # (chains,)
    draws: int
    tune: int
    target_accept: float | None  # None: the sampler's own choice
    workers: int
    size: int  # rows x components
    permutation_moves: bool = False
    modes: list | None = None  # theta of the optimum that each chain starts near, where there is one
    optimum: object = None  # the best optimum of the EM census, where there is one
    marginal_steps: bool | None = None  # for Gibbs: as in `fit_mcmc`


@dataclass(frozen=True)
class Chain:
    """Draws of one chain: field -> (draws, ...), in the coordinates of the data, and its statistics (draws,)."""

    draws: dict
    stats: dict = field(default_factory=dict)

    def __len__(self):
        return len(next(iter(self.draws.values()), ()))

    def cut(self, length):
        """The first draws of it."""
        return Chain({n: v[:length] for n, v in self.draws.items()}, {n: v[:length] for n, v in self.stats.items()})


@dataclass(frozen=True)
class Sampler:
    """How to draw one chain.

    one: one(number, stop, tick) -> Chain. It ends early when the event `stop` is set, then returning what it has,
    and calls tick(share of the chain that is done) now and then; in worker processes both are None.
    how: what ran, in plain values, for the record. workers: chains at once, at most.
    """

    one: object
    how: dict
    workers: int = 1
    processes: bool = False


@dataclass(frozen=True)
class Outcome:
    """The chains by number, in order; why others failed, by number; whether Ctrl-C ended the run early."""

    chains: dict
    failed: dict
    partial: bool


def run_chains(sampler, job, problem, *, done=None, keep=None, progress=None):
    """The Outcome of all chains of a job.

    done: finished chains by number, which need not run. keep(number, chain): called as each chain finishes.
    progress(chains done, chains): called in this thread; a running chain counts by its share.

    Where Ctrl-C came before any chain finished, the draws that the chains have are kept, cut to one length.
    """
    total, chains, cut = len(job.starts), dict(done or {}), {}
    failed = {c: reason for c, theta in enumerate(job.starts) if c not in chains and (reason := fault(problem, theta))}
    todo = [c for c in range(total) if c not in chains and c not in failed]
    share, stop, partial = {}, Event(), False

    def take(number, future):
        share.pop(number, None)
        try:
            chain = future.result()
        except Exception as error:  # a chain's own end; the sentence goes into the record of the fit
            failed[number] = reason_of(error)
            return
        bad = first_bad(chain)
        if bad is not None:
            theta = {n: chain.draws[n][bad] if n in chain.draws else v for n, v in job.starts[number].items()}
            failed[number] = f"draw {bad}: {fault(problem, theta)}"
        elif len(chain) < job.draws:
            cut[number] = chain
        else:
            chains[number] = chain
            if keep:
                keep(number, chain)

    def say():
        if progress:
            progress(len(chains) + len(failed) + sum(share.values()), total)

    with pool_of(sampler, len(todo)) as pool:
        local = not sampler.processes
        waiting = {
            pool.submit(sampler.one, c, stop if local else None, ticker(share, c) if local else None): c for c in todo
        }
        try:
            while waiting:
                ready, _ = wait(waiting, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
                for future in ready:
                    take(waiting[future], future)
                    del waiting[future]  # not earlier: Ctrl-C may come between the two
                say()
        except KeyboardInterrupt:
            partial = True
            stop.set()
            running = {f: c for f, c in waiting.items() if not f.cancel()}
            if sampler.processes:
                pool.shutdown(wait=False, kill_workers=True)
            else:
                for future, c in running.items():
                    take(c, future)
    return outcome(chains, failed, cut, partial)


def outcome(chains, failed, cut, partial):
    """The Outcome, or an error that says why there is none."""
    cut = {c: chain for c, chain in cut.items() if len(chain)}
    if not chains and cut and partial:
        shortest = min(len(chain) for chain in cut.values())
        chains = {c: chain.cut(shortest) for c, chain in cut.items()}
    if not chains and partial:
        raise KeyboardInterrupt
    if not chains:
        reasons = " ".join(f"Chain {c}: {reason}." for c, reason in sorted(failed.items()))
        raise InputError(f"fit_mcmc: every chain failed. {reasons}")
    return Outcome({c: chains[c] for c in sorted(chains)}, dict(sorted(failed.items())), partial)


def ticker(share, number):
    """A function that notes the share of a chain that is done."""

    def tick(part):
        share[number] = min(max(float(part), 0.0), 1.0)

    return tick


def pool_of(sampler, jobs):
    """Threads, or worker processes where the sampler asks for them."""
    workers = max(1, min(sampler.workers, jobs))
    if sampler.processes:
        from joblib.externals.loky import ProcessPoolExecutor

        return ProcessPoolExecutor(max_workers=workers)
    return ThreadPoolExecutor(max_workers=workers)


def first_bad(chain):
    """The first draw with a number that is not finite, or None."""
    bad = np.zeros(len(chain), dtype=bool)
    for value in chain.draws.values():
        bad |= ~np.isfinite(value).reshape(len(value), -1).all(axis=1)
    return int(bad.argmax()) if bad.any() else None


def reason_of(error):
    """Why a chain ended in an exception, as the rest of a sentence."""
    text = " ".join(str(error).split()).rstrip(".")
    kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
    return f"{kind}{text or 'no message'}"
