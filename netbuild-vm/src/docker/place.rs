//! On which host a build runs: a function of what is known of the hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use netbuild_core::model::{AccountId, HostName};

use super::host::Capacity;

/// What a build needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose it is.
    pub account: AccountId,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Processor time, in thousandths of a core.
    pub cpu_millis: u64,
    /// The labels that a host must have.
    pub labels: BTreeMap<String, String>,
    /// Hosts on which earlier attempts failed for a reason of the host: only if there is no other.
    pub avoid: Vec<HostName>,
}

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub host: HostName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What builds may use of it.
    pub capacity: Capacity,
    /// What those builds use that its daemon reports, and those that are being started.
    pub used: Capacity,
    /// How many of them are of the account.
    pub of_account: u32,
    /// How long the image takes to come there: nothing where it is there already.
    pub pull: Duration,
    /// Whether it takes builds at all.
    pub standing: Standing,
}

/// Whether a host takes builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Open,
    /// Something about it is slow: only if there is no other.
    Suspect,
    /// It is drained, quarantined, or does not answer.
    Closed,
}

/// Which of the hosts that have room is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one that is least used: builds disturb each other least.
    #[default]
    LeastLoaded,
    /// The one that is most used: whole hosts become free, to be given back.
    Pack,
}

/// What each host's advantage is worth, in seconds that a build starts later for it: so the time that a pull takes is
/// held against the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// How much an idle host is preferred to a full one, or the other way round when packing. Default 30 s.
    pub load: Duration,
    /// How much each build of the same account on a host speaks against it. Default 10 s: an account's builds are spread, so
    /// that a host that fails takes few of one customer's with it.
    pub account: Duration,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { load: Duration::from_secs(30), account: Duration::from_secs(10) }
    }
}

/// Where a build goes, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// The host; `None` when there is none now.
    pub host: Option<HostName>,
    /// Whether one of the hosts could hold the build if it were empty and open.
    pub could_fit: bool,
    /// What was said of each host, in the order of the candidates.
    pub explained: Vec<(HostName, Opinion)>,
}

/// What speaks for or against a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    /// It takes no builds.
    Closed,
    /// It lacks a label.
    LacksLabel(String),
    /// It could not hold the build if it were empty.
    TooSmall(&'static str),
    /// It has no room now, of this.
    Full(&'static str),
    /// It could take it.
    Fits {
        /// How many seconds speak against it; the least wins.
        cost: f64,
        /// An earlier attempt failed there, or it is suspect: taken only if there is no other.
        last_resort: bool,
    },
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}")?,
            None => f.write_str("no host")?,
        }
        for (index, (host, opinion)) in self.explained.iter().enumerate() {
            write!(f, "{}{host}: ", if index == 0 { " (" } else { "; " })?;
            match opinion {
                Opinion::Closed => f.write_str("takes no builds")?,
                Opinion::LacksLabel(label) => write!(f, "lacks the label {label}")?,
                Opinion::TooSmall(what) => write!(f, "has too little {what} even when empty")?,
                Opinion::Full(what) => write!(f, "has no {what} left")?,
                Opinion::Fits { cost, last_resort } => {
                    write!(f, "{cost:.1} s{}", if *last_resort { ", last resort" } else { "" })?;
                }
            }
        }
        if self.explained.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// Decides where a build goes. Of equally good hosts the first by name is taken.
pub fn place(wanted: &Wanted, candidates: &[Candidate], strategy: Strategy, weights: Weights) -> Placement {
    let opinions: Vec<_> = candidates.iter().map(|candidate| opinion(wanted, candidate, strategy, weights)).collect();
    let fits = candidates.iter().zip(&opinions).filter_map(|(candidate, opinion)| match opinion {
        Opinion::Fits { cost, last_resort } => Some((*last_resort, *cost, &candidate.host)),
        _ => None,
    });
    let best = fits.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(b.2)));
    Placement {
        host: best.map(|(_, _, host)| host.clone()),
        could_fit: candidates.iter().any(|candidate| unfit(wanted, candidate).is_none()),
        explained: candidates.iter().map(|candidate| candidate.host.clone()).zip(opinions).collect(),
    }
}

fn opinion(wanted: &Wanted, candidate: &Candidate, strategy: Strategy, weights: Weights) -> Opinion {
    if let Some(unfit) = unfit(wanted, candidate) {
        return unfit;
    }
    if candidate.standing == Standing::Closed {
        return Opinion::Closed;
    }
    let (capacity, used) = (candidate.capacity, candidate.used);
    let needs = [
        ("slot", u64::from(capacity.slots), u64::from(used.slots), 1),
        ("memory", capacity.memory_bytes, used.memory_bytes, wanted.memory_bytes),
        ("processor time", capacity.cpu_millis, used.cpu_millis, wanted.cpu_millis),
    ];
    if let Some((what, ..)) = needs.iter().find(|(_, capacity, used, more)| used.saturating_add(*more) > *capacity) {
        return Opinion::Full(what);
    }
    // What it would be used with the build, of whatever is scarcest.
    let share = |&(_, capacity, used, more): &(_, u64, u64, u64)| (used + more) as f64 / capacity.max(1) as f64;
    let load = needs.iter().map(share).fold(0.0, f64::max);
    let load = match strategy {
        Strategy::LeastLoaded => load,
        Strategy::Pack => 1.0 - load,
    };
    let account = weights.account.as_secs_f64() * f64::from(candidate.of_account);
    let cost = candidate.pull.as_secs_f64() + weights.load.as_secs_f64() * load + account;
    let last_resort = candidate.standing == Standing::Suspect || wanted.avoid.contains(&candidate.host);
    Opinion::Fits { cost, last_resort }
}

/// Why a host can never hold a build.
fn unfit(wanted: &Wanted, candidate: &Candidate) -> Option<Opinion> {
    let lacks = wanted.labels.iter().find(|(name, value)| candidate.labels.get(*name) != Some(value));
    if let Some((name, value)) = lacks {
        return Some(Opinion::LacksLabel(format!("{name}={value}")));
    }
    let Capacity { slots, memory_bytes, cpu_millis } = candidate.capacity;
    match () {
        () if slots == 0 => Some(Opinion::TooSmall("slots")),
        () if wanted.memory_bytes > memory_bytes => Some(Opinion::TooSmall("memory")),
        () if wanted.cpu_millis > cpu_millis => Some(Opinion::TooSmall("processor time")),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    const GIB: u64 = 1 << 30;

    fn name(name: &str) -> HostName {
        HostName::new(name).unwrap()
    }

    fn wanted() -> Wanted {
        let account = AccountId::new("acme").unwrap();
        Wanted { account, memory_bytes: GIB, cpu_millis: 500, labels: BTreeMap::new(), avoid: Vec::new() }
    }

    fn host(host: &str) -> Candidate {
        Candidate {
            host: name(host),
            labels: BTreeMap::new(),
            capacity: Capacity { slots: 10, memory_bytes: 16 * GIB, cpu_millis: 8_000 },
            used: Capacity { slots: 0, memory_bytes: 0, cpu_millis: 0 },
            of_account: 0,
            pull: Duration::ZERO,
            standing: Standing::Open,
        }
    }

    fn using(host_name: &str, builds: u32) -> Candidate {
        let used =
            Capacity { slots: builds, memory_bytes: u64::from(builds) * GIB, cpu_millis: u64::from(builds) * 500 };
        Candidate { used, ..host(host_name) }
    }

    fn chosen(wanted: &Wanted, candidates: &[Candidate], strategy: Strategy) -> Option<String> {
        place(wanted, candidates, strategy, Weights::default()).host.map(|host| host.as_str().to_owned())
    }

    fn least(candidates: &[Candidate]) -> Option<String> {
        chosen(&wanted(), candidates, Strategy::LeastLoaded)
    }

    #[test]
    fn the_least_loaded_or_when_packing_the_most_loaded_that_has_room() {
        let hosts = [using("a", 5), using("b", 2), using("c", 9), using("d", 10)];
        assert_eq!(least(&hosts).as_deref(), Some("b"));
        assert_eq!(chosen(&wanted(), &hosts, Strategy::Pack).as_deref(), Some("c"));
        assert_eq!(least(&hosts[3..]), None);
        assert_eq!(least(&[host("b"), host("a")]).as_deref(), Some("a"), "by name, whatever their order");
    }

    #[test]
    fn a_pull_is_held_against_the_load() {
        let cold = |pull| Candidate { pull: Duration::from_secs(pull), ..host("cold") };
        assert_eq!(least(&[cold(540), using("warm", 8)]).as_deref(), Some("warm"));
        assert_eq!(least(&[cold(2), using("warm", 8)]).as_deref(), Some("cold"));
    }

    #[test]
    fn builds_of_one_account_are_spread() {
        let own = Candidate { of_account: 3, ..host("a") };
        assert_eq!(least(&[own, using("b", 5)]).as_deref(), Some("b"));
    }

    #[test]
    fn avoided_and_suspect_hosts_are_the_last_resort_and_closed_ones_none() {
        let wanted = Wanted { avoid: vec![name("a")], ..wanted() };
        let stands = |host: &str, standing| Candidate { standing, ..using(host, 9) };
        let least = |candidates: &[Candidate]| chosen(&wanted, candidates, Strategy::LeastLoaded);
        assert_eq!(least(&[host("a"), stands("b", Standing::Open)]).as_deref(), Some("b"));
        assert_eq!(least(&[host("a"), stands("b", Standing::Suspect)]).as_deref(), Some("a"), "both are; the emptier");
        assert_eq!(least(&[host("a"), stands("b", Standing::Closed)]).as_deref(), Some("a"));
        assert_eq!(least(&[stands("b", Standing::Closed)]), None);
    }

    #[test]
    fn what_can_never_fit_is_told_from_what_is_full() {
        let label = |value: &str| BTreeMap::from([("disk".to_owned(), value.to_owned())]);
        let large = Wanted { memory_bytes: 17 * GIB, ..wanted() };
        let labelled = Wanted { labels: label("ssd"), ..wanted() };
        let ssd = Candidate { labels: label("ssd"), ..using("a", 10) };
        for (wanted, hosts, could_fit, text) in [
            (&large, vec![host("a")], false, "no host (a: has too little memory even when empty)"),
            (&labelled, vec![host("a")], false, "no host (a: lacks the label disk=ssd)"),
            (&labelled, vec![ssd, host("b")], true, "no host (a: has no slot left; b: lacks the label disk=ssd)"),
            (&wanted(), vec![], false, "no host"),
            (&wanted(), vec![using("a", 5)], true, "a (a: 18.0 s)"),
        ] {
            let placement = place(wanted, &hosts, Strategy::LeastLoaded, Weights::default());
            assert_eq!((placement.could_fit, placement.to_string().as_str()), (could_fit, text));
        }
    }

    proptest! {
        #[test]
        fn no_host_is_ever_given_more_than_it_has(
            hosts in prop::collection::vec((0_u32..12, 0_u64..20, 0_u64..10_000, 0_u8..3), 0..6),
            memory in 0_u64..20, cpu in 0_u64..10_000, pack in any::<bool>(),
        ) {
            let standings = [Standing::Open, Standing::Suspect, Standing::Closed];
            let candidates: Vec<_> = hosts.iter().enumerate().map(|(n, (slots, memory, cpu, standing))| Candidate {
                used: Capacity { slots: *slots, memory_bytes: memory * GIB, cpu_millis: *cpu },
                standing: standings[usize::from(*standing)],
                ..host(&format!("h{n}"))
            }).collect();
            let wanted = Wanted { memory_bytes: memory * GIB, cpu_millis: cpu, ..wanted() };
            let strategy = if pack { Strategy::Pack } else { Strategy::LeastLoaded };
            let has_room = |candidate: &&Candidate| {
                let (has, used) = (candidate.capacity, candidate.used);
                candidate.standing != Standing::Closed && used.slots < has.slots
                    && used.memory_bytes + wanted.memory_bytes <= has.memory_bytes
                    && used.cpu_millis + wanted.cpu_millis <= has.cpu_millis
            };
            let placement = place(&wanted, &candidates, strategy, Weights::default());
            let open: Vec<_> = candidates.iter().filter(has_room).map(|candidate| &candidate.host).collect();
            prop_assert_eq!(placement.host.is_some(), !open.is_empty());
            prop_assert!(placement.host.iter().all(|host| open.contains(&host)));
        }
    }
}
