//! Plan: what was typed for `tasks simulate`, as a plan that can be carried out.

use anyhow::Result;
use sim::plan::{Content, Plan, Schedule};
use sim::random::Random;
use sim::script::{self, Churn, Fault, Step};

use crate::commands::simulate::{Args, usage};

impl Args {
    /// The plan. Errors: the first option that makes it impossible, and what would do.
    pub(super) fn plan(&self) -> Result<Plan> {
        let seconds = within("seconds", self.seconds, 0.001, 2_592_000.0)?;
        let ms = (seconds * 1_000.0).round() as u64;
        let mut faults = self.preset.faults;
        for (name, percent, max, ppm) in [
            ("loss", self.loss, 50.0, &mut faults.loss_ppm),
            ("duplicate", self.duplicate, 50.0, &mut faults.duplicate_ppm),
            ("reorder", self.reorder, 100.0, &mut faults.reorder_ppm),
            ("slow", self.slow, 100.0, &mut faults.slow_ppm),
            ("skew", self.skew, 50.0, &mut faults.skew_ppm),
        ] {
            if let Some(percent) = percent {
                *ppm = thousandths(within(name, percent, 0.0, max)? * 10.0);
            }
        }
        if faults.reorder_us == 0 {
            faults.reorder_us = REORDER_US;
        }
        faults.slow_factor = faults.slow_factor.max(SLOW_FACTOR);
        let script = self.script(ms)?;
        let has_schedule = self.maintain || !script.is_empty() || self.operations > 0;
        let plan = Plan {
            seed: self.seed,
            nodes: self.nodes,
            successors: self.successors,
            ownership: self.ownership,
            replicas: self.replicas,
            zones: self.zones,
            tight: false,
            partitions: false,
            routing: self.routing,
            detector: self.detector,
            careful: false,
            ms,
            lookups: self.lookups,
            content: (self.operations > 0).then_some(Content {
                keys: 1_000,
                per_s: self.operations,
                ..Content::default()
            }),
            latency: self.latency.unwrap_or(self.preset.latency),
            faults,
            schedule: has_schedule.then(Schedule::default),
            script,
        };
        plan.check().map_err(usage)?;
        self.check_start(&plan)?;
        Ok(plan)
    }

    fn script(&self, ms: u64) -> Result<Vec<Step>> {
        let churn = self.churn()?;
        self.check_joins(churn, ms)?;
        let mut random = Random::new(self.seed, SCRIPT);
        let mut steps = match self.preset.menu {
            Some(menu) => script::random(menu, self.nodes, ms, &mut random),
            None => Vec::new(),
        };
        if let Some(churn) = churn {
            let fresh = fresh(self.nodes, &steps);
            steps.extend(script::churn(churn, self.nodes, fresh, ms, &mut random));
        }
        if self.joins > 0 {
            let fresh = fresh(self.nodes, &steps);
            let joins = script::growth(fresh, self.joins, self.join_rate, &mut random);
            steps.extend(joins);
        }
        script::sort(&mut steps);
        Ok(steps)
    }

    /// How nodes come and go.
    fn churn(&self) -> Result<Option<Churn>> {
        let Some(rate) = self.churn else {
            return Ok(self.sessions.or(self.preset.churn));
        };
        let per_1000_s = thousandths(within("churn", rate, 0.0, 1_000.0)?);
        Ok(Some(Churn::Poisson { per_1000_s }).filter(|_| per_1000_s > 0))
    }

    /// Whether as many nodes can join as should: in this time, at this rate, and in all.
    fn check_joins(&self, churn: Option<Churn>, ms: u64) -> Result<()> {
        let (joins, rate) = (u64::from(self.joins), u64::from(self.join_rate));
        let most = ms * rate / 1_000;
        if joins > most {
            let seconds = self.seconds;
            return Err(usage(format_args!(
                "--joins is {joins}: up to {most} would do, {rate} a second in {seconds} s; \
                 or a higher --join-rate, or more --seconds"
            )));
        }
        let by_churn = match churn {
            Some(Churn::Poisson { per_1000_s }) => f64::from(per_1000_s) / 1_000.0,
            Some(Churn::Weibull { mean_s, .. }) => f64::from(self.nodes) / f64::from(mean_s),
            None => 0.0,
        } * self.seconds;
        let new = f64::from(self.joins) + by_churn;
        let all = f64::from(self.nodes) + new;
        if new > 0.0 && all > ALL_MAX {
            return Err(usage(format_args!(
                "{all:.0} nodes would be there or join in all: up to {ALL_MAX} would do"
            )));
        }
        Ok(())
    }

    /// Whether the ring is large enough for anything to happen to it.
    fn check_start(&self, plan: &Plan) -> Result<()> {
        let (nodes, least) = (self.nodes, u32::from(self.successors) + 1);
        if plan.is_quiet() || nodes >= least {
            return Ok(());
        }
        Err(usage(format_args!(
            "--nodes is {nodes}: at least {least} would do where nodes come and go, as the proof begins \
             with one member more than --successors; or fewer of these"
        )))
    }
}

/// The first address that no step gives to a node.
fn fresh(nodes: u32, steps: &[Step]) -> u32 {
    let given = steps.iter().filter_map(|step| match step.fault {
        Fault::Join(address) => Some(address + 1),
        _ => None,
    });
    given.max().unwrap_or(nodes).max(nodes)
}

fn within(name: &str, given: f64, min: f64, max: f64) -> Result<f64> {
    if (min..=max).contains(&given) {
        return Ok(given);
    }
    Err(usage(format_args!(
        "--{name} is {given}: {min} to {max} would do"
    )))
}

fn thousandths(number: f64) -> u32 {
    (number * 1_000.0).round() as u32
}

/// Nodes of a run, those that join included: as many as fit into 24 GiB.
const ALL_MAX: f64 = 16e6;

/// How late an overtaken message is at most, unless the preset says so.
const REORDER_US: u64 = 50_000;

/// How slow slow nodes are at least.
const SLOW_FACTOR: u32 = 3;

/// The stream of chance that scripts are drawn from.
const SCRIPT: u64 = 4;
