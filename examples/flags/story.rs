//! What happens, step by step.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use netbuild_core::model::{
    Build, BuildId, BuildSpec, DeployContext, ExecutorName, Priority, RepositoryUrl, Revision, Source, Timestamp, Trust,
};
use netbuild_core::port::{Clock, Router, SystemClock};
use netbuild_flags::directory::MemoryDirectory;
use netbuild_flags::preview;
use netbuild_flags::reach::reach;
use netbuild_flags::router::{FlagRouter, RouteRules};
use netbuild_flags::source::{Format, Watcher};
use netbuild_flags::store::{Change, Edit, MemoryStore, Store};
use netbuild_flags::{
    Attributes, Definition, Definitions, FlagKey, Flags, Overrides, Percentage, Ramp, Rule, Share, Snapshot, Subject,
    account_bucket,
};

use crate::customers::{Customer, KnownCustomers, customers};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A thousand customers, a store of flags, and the process that asks them.
pub(crate) struct Story {
    customers: Vec<Customer>,
    directory: MemoryDirectory,
    flag: FlagKey,
    flags: Flags,
    store: Arc<MemoryStore>,
    watcher: Watcher,
    clock: Arc<SystemClock>,
    /// The customers that were in when it was last looked.
    were_in: Vec<bool>,
}

impl Story {
    /// Defines the flags, from the text of a file.
    pub(crate) async fn begin(accounts: usize) -> Result<Self> {
        tell("Define: a file says who is in");
        let text = include_str!("definitions.toml");
        text.lines().filter(|line| !line.starts_with('#')).for_each(|line| eprintln!("    {line}"));
        let customers = customers(accounts)?;
        let mut directory = MemoryDirectory::default();
        for Customer { account, projects, attributes } in &customers {
            directory.insert_account(account.clone(), Attributes::clone(attributes));
            for project in projects {
                directory.insert_project(account.clone(), project.clone(), Attributes::new());
            }
        }
        let clock = Arc::new(SystemClock::new());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let definitions = Format::Toml.read(text)?;
        store.change(Change::new("ada", "pods for teams first", vec![Edit::Replace(definitions)])).await?;
        let flags = Flags::new(Overrides::from_vars(std::env::vars())?);
        let watcher = Watcher::new(store.clone(), flags.clone(), clock.clone());
        let flag = FlagKey::new("builds-in-pods")?;
        let mut story = Story { customers, directory, flag, flags, store, watcher, clock, were_in: Vec::new() };
        story.follow().await?;
        Ok(story)
    }

    /// Puts what is in the store in force, as the watcher does it by itself in a service.
    async fn follow(&mut self) -> Result<()> {
        if self.watcher.look().await { Ok(()) } else { Err(format!("{:?}", self.flags.status().problem).into()) }
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>> {
        self.flags.snapshot().ok_or_else(|| "there is no snapshot".into())
    }

    async fn change(&mut self, who: &str, why: &str, change: impl FnOnce(&mut Definition)) -> Result<()> {
        let mut flag = self.definition()?;
        change(&mut flag);
        self.store.change(Change::new(who, why, vec![Edit::SetFlag(self.flag.clone(), flag)])).await?;
        self.follow().await
    }

    fn definition(&self) -> Result<Definition> {
        Ok(self.snapshot()?.definitions().flags.get(&self.flag).ok_or("the flag is not defined")?.clone())
    }

    fn are_in(&self) -> Result<Vec<bool>> {
        let snapshot = self.snapshot()?;
        let is_in = |customer: &Customer| snapshot.evaluate(&self.flag, &subject(customer), false).on;
        Ok(self.customers.iter().map(is_in).collect())
    }

    /// Why some customers are in and others not.
    pub(crate) fn explain(&mut self) -> Result<()> {
        tell("Explain: why it is on or off, and what else would have had something to say");
        let snapshot = self.snapshot()?;
        for number in [0, 1, 2] {
            let customer = &self.customers[number];
            eprintln!("    {}: {}", customer.account, snapshot.explain(&self.flag, &subject(customer), false));
        }
        self.were_in = self.are_in()?;
        Ok(())
    }

    /// For how many it is on.
    pub(crate) async fn reach(&self) -> Result<u64> {
        tell("Reach: for how many it is on, by rule");
        let reach = reach(&*self.snapshot()?, &self.flag, &self.directory, |_| ()).await?;
        indent(&reach);
        Ok(reach.accounts.on)
    }

    /// Looks who would move if the share were raised, and raises it.
    pub(crate) async fn preview_and_raise(&mut self) -> Result<(u64, u64)> {
        tell("Preview: who would move if the share went from 5% to 25%");
        let before = self.snapshot()?;
        let quarter = Share::Fixed(Percentage::try_from(25.0)?);
        let mut changed: Definitions = before.definitions().clone();
        changed.flags.insert(self.flag.clone(), Definition { accounts_share: quarter.clone(), ..self.definition()? });
        let after = before.edited(changed, self.flags.overrides())?;
        let preview = preview::Change::between(&before, &after).over_directory(&self.directory, |_| ()).await?;
        indent(&preview);
        let moves = &preview.flags.first().ok_or("nothing would change")?.accounts;
        self.change("ada", "5% did well for a week", |flag| flag.accounts_share = quarter).await?;
        Ok((moves.moved_in(), moves.moved_out()))
    }

    /// How many are out that were in.
    pub(crate) fn moved_out(&self) -> Result<u64> {
        let are_in = self.are_in()?;
        Ok(self.were_in.iter().zip(are_in).filter(|(was, is)| **was && !is).count() as u64)
    }

    /// Moves everybody in over two seconds; each customer at the moment that was told beforehand.
    pub(crate) async fn ramp(&mut self) -> Result<u64> {
        tell("Ramp: from 25% to 100% within two seconds");
        let start = self.clock.now();
        let end = start + Duration::from_secs(2);
        let ramp = Ramp { from: Percentage::try_from(25.0)?, to: Percentage::ALL, start, end };
        let snapshot = self.snapshot()?;
        // Who is in by another rule, or excluded, does not move.
        let when = |customer: &Customer| match snapshot.evaluate(&self.flag, &subject(customer), false).rule {
            Rule::Nothing => ramp.when(account_bucket(&self.flag, &customer.account)),
            _ => None,
        };
        let told: Vec<Option<Timestamp>> = self.customers.iter().map(when).collect();
        for (customer, told) in self.customers.iter().zip(&told).skip(2).take(3) {
            match told {
                Some(told) => eprintln!("    {} moves in after {:?}", customer.account, told.since(start)),
                None => eprintln!("    {} does not move", customer.account),
            }
        }
        self.change("ada", "everybody by noon", |flag| flag.accounts_share = Share::Ramp(ramp)).await?;
        let (mut were_in, mut off_schedule) = (self.are_in()?, 0);
        while let Some(next) = self.snapshot()?.next_change() {
            tokio::time::sleep(next.since(self.clock.now())).await;
            self.flags.tick(self.clock.now());
            let (at, are_in) = (self.snapshot()?.at(), self.are_in()?);
            for ((was, is), told) in were_in.iter().zip(&are_in).zip(&told) {
                // In from the told moment on; and nobody goes out.
                let late_or_early = told.is_some_and(|told| *is != (told <= at));
                off_schedule += u64::from(late_or_early || (*was && !is));
            }
            were_in = are_in;
        }
        eprintln!("    {} of {} are in", were_in.iter().filter(|is| **is).count(), were_in.len());
        Ok(off_schedule)
    }

    /// Sends builds where the flag says, pulls the kill switch, and sends them again.
    pub(crate) async fn route_and_kill(&mut self) -> Result<u64> {
        tell("Route: where builds go, and where they go once the kill switch is pulled");
        let rules = RouteRules::new(ExecutorName::new("docker")?).with(self.flag.clone(), ExecutorName::new("k8s")?);
        let known = Arc::new(KnownCustomers::new(&self.customers));
        let router = FlagRouter::new(self.flags.clone(), rules).with_attributes(known);
        let now = self.clock.now();
        let builds =
            self.customers.iter().take(100).map(|customer| build(customer, now)).collect::<Result<Vec<_>>>()?;
        let in_pods = || builds.iter().filter(|build| router.route(build, &[]).executor.as_str() == "k8s").count();
        let route = router.route(&builds[1], &[]);
        let by = route.flag.unwrap_or_default();
        eprintln!("    a build of {} goes to {}: {by}, {}", builds[1].account, route.executor, route.rule);
        eprintln!("    {} of {} builds go to pods", in_pods(), builds.len());
        self.change("bob", "pods fail", |flag| flag.kill = true).await?;
        let left = in_pods();
        eprintln!("    killed: {left} of {} builds go to pods", builds.len());
        Ok(left as u64)
    }

    /// Who changed what, and how often the flag was asked for.
    pub(crate) async fn look_back(&self) -> Result<()> {
        tell("Look back: who changed what, and how often it was evaluated");
        for revision in self.store.history(Some(&self.flag), None, 10).await?.iter().rev() {
            eprintln!("    revision {} by {}: {}", revision.number, revision.who, revision.why);
        }
        let exposure = self.flags.exposure().flag(&self.flag).ok_or("nobody asked")?;
        eprintln!(
            "    evaluated {} times on and {} times off, for about {} accounts",
            exposure.on, exposure.off, exposure.distinct_accounts
        );
        Ok(())
    }
}

fn subject(customer: &Customer) -> Subject<'_> {
    Subject::account(&customer.account).with_account_attributes(&customer.attributes)
}

fn build(customer: &Customer, now: Timestamp) -> Result<Build> {
    Ok(Build {
        id: BuildId::generate(),
        account: customer.account.clone(),
        project: customer.projects[0].clone(),
        source: Source {
            repository: RepositoryUrl::parse("https://git.example/site.git")?,
            revision: Revision::parse("main")?,
        },
        context: DeployContext::Production,
        spec: BuildSpec::new("make site"),
        priority: Priority::default(),
        trust: Trust::Trusted,
        created_at: now,
    })
}

fn tell(step: &str) {
    eprintln!("\n{step}");
}

fn indent(text: &impl ToString) {
    text.to_string().lines().for_each(|line| eprintln!("    {line}"));
}
