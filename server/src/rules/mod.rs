//! Rules over channels at work: the journal is read after everything else, timers run, and what is due is done.
//!
//! How far the journal was read, the timers that came of it and what was done are written down together, so that a `kill -9`
//! neither forgets a rule nor carries one out twice. What the floor is asked for (a callback, another place) is asked until the
//! database has it.

mod fire;
mod hear;

use std::{collections::BTreeMap, time::Duration};

use tandem_switch::{
    floor::{NotPrioritised, NotPromised},
    id::{ItemId, TimerId},
    rules::{Change, Rule, Then, Thing, Timer, Timers},
    time::Timestamp,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use crate::{
    clock,
    customers::Customers,
    http::{
        callbacks::{CallbackRequest, NotAsked},
        control::ControlRequest,
        priority::PriorityRequest,
    },
    metrics::METRICS,
    store::{Record, RuleChange, RuleNews, StoreError},
};

/// Rows of the journal that are read at once.
const PAGE: u32 = 200;
/// A journal that nobody here wrote to is looked at so often; timers have this grain, too.
const GRAIN: Duration = Duration::from_secs(1);
/// News of so long are read together.
const GATHER: Duration = Duration::from_millis(200);
/// A database that does not answer is asked again after that.
const PAUSE: Duration = Duration::from_secs(1);
/// Timers that are carried out in one go, so that others get their turn.
const MOST_AT_ONCE: usize = 100;
/// A loop that is asked answers within this, or is asked again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Orders that may wait.
const ORDERS: usize = 64;

/// What the task works with.
#[derive(Debug)]
pub struct Parts {
    /// Customers, and the database.
    pub customers: Customers,
    /// The loops.
    pub requests: mpsc::Sender<ControlRequest>,
    /// The rules of the plan in service.
    pub plan: watch::Receiver<Vec<Rule>>,
}

#[derive(Debug)]
struct Cancel {
    timer: TimerId,
    why: String,
    done: oneshot::Sender<bool>,
}

/// The way to the task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    orders: mpsc::Sender<Cancel>,
    plan: watch::Receiver<Vec<Rule>>,
}

impl Desk {
    /// Starts the task.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let (orders, asked) = mpsc::channel(ORDERS);
        let plan = parts.plan.clone();
        tokio::spawn(run(parts, asked));
        Self { orders, plan }
    }

    /// The rules of the plan in service.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        self.plan.borrow().clone()
    }

    /// Ends a timer before its time. `None`: the task does not answer; `false`: it does not run.
    pub async fn cancel(&self, timer: TimerId, why: String) -> Option<bool> {
        let (done, answer) = oneshot::channel();
        let asked = async {
            self.orders.send(Cancel { timer, why, done }).await.ok()?;
            answer.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}

/// Asks a loop; `None`: it does not answer.
async fn asked<T>(requests: &mpsc::Sender<ControlRequest>, ask: impl FnOnce(oneshot::Sender<T>) -> ControlRequest) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let answered = async {
        requests.send(ask(reply)).await.ok()?;
        answer.await.ok()
    };
    timeout(PATIENCE, answered).await.ok().flatten()
}

async fn run(parts: Parts, mut orders: mpsc::Receiver<Cancel>) {
    loop {
        let error = match Work::begin(&parts).await {
            Ok(mut work) => match work.go_on(&mut orders).await {
                Ok(()) => return,
                Err(error) => error,
            },
            Err(error) => error,
        };
        tracing::warn!(%error, "rules over channels wait: the database does not answer");
        sleep(PAUSE).await;
    }
}

/// An action that the floor was asked for.
#[derive(Debug)]
struct Pending {
    timer: Timer,
    /// What the floor answered; it is done when the database has it.
    item: Option<ItemId>,
    since: Timestamp,
}

/// What is known while the database answers. After a fault all of it is read again.
struct Work<'a> {
    parts: &'a Parts,
    plan: watch::Receiver<Vec<Rule>>,
    timers: Timers,
    read_up_to: i64,
    /// How far the database says that it was read, and since when it says so.
    noted: (i64, Timestamp),
    pending: BTreeMap<(TimerId, u32), Pending>,
}

impl<'a> Work<'a> {
    async fn begin(parts: &'a Parts) -> Result<Self, StoreError> {
        let store = &parts.customers.store;
        let read_up_to = match store.rules_read_up_to().await? {
            Some(seq) => seq,
            None => store.head().await?,
        };
        let mut timers = Timers::new();
        timers.restore(store.running_timers().await?);
        let mut plan = parts.plan.clone();
        let rules = plan.borrow_and_update().clone();
        let now = clock::now().at;
        let mut this = Self { parts, plan, timers, read_up_to, noted: (0, Timestamp::default()), pending: BTreeMap::new() };
        this.new_plan(rules).await?;
        for todo in store.deeds_to_do().await? {
            if let Some(row) = store.timer(todo.timer).await? {
                let since = row.ended_at.unwrap_or(now);
                this.pending.insert((todo.timer, todo.nth), Pending { timer: row.timer, item: None, since });
            }
        }
        Ok(this)
    }

    /// Until nobody asks any more.
    async fn go_on(&mut self, orders: &mut mpsc::Receiver<Cancel>) -> Result<(), StoreError> {
        let mut committed = self.parts.customers.store.committed();
        loop {
            self.catch_up().await?;
            self.carry_out().await?;
            self.ask_floor().await?;
            self.note().await?;
            METRICS.rule_timers.set(self.timers.len() as u64);
            let (deadline, now) = (self.timers.deadline(), clock::now().at);
            let left = deadline.map_or(GRAIN, |at| Duration::from_millis(at.ms_since(now)).min(GRAIN));
            tokio::select! {
                news = committed.changed() => {
                    if news.is_err() {
                        return Ok(());
                    }
                    // What happens in this while is read at once: calls need the database more than we do.
                    sleep(GATHER).await;
                }
                () = sleep(left) => {}
                order = orders.recv() => match order {
                    Some(order) => self.cancel(order).await?,
                    None => return Ok(()),
                },
                changed = self.plan.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let rules = self.plan.borrow_and_update().clone();
                    self.new_plan(rules).await?;
                }
            }
        }
    }

    async fn write(&self, news: Vec<RuleNews>, others: Vec<Record>) -> Result<(), StoreError> {
        self.parts.customers.store.commit_rules(news, others).await
    }

    async fn new_plan(&mut self, rules: Vec<Rule>) -> Result<(), StoreError> {
        let now = clock::now().at;
        let mut news: Vec<_> = self.timers.plan(rules).into_iter().map(|change| told(change, now)).collect();
        // What was before the plan is nothing that its rules are set off by.
        news.push(RuleNews::new(now, RuleChange::ReadUpTo(self.read_up_to)));
        self.noted = (self.read_up_to, now);
        self.write(news, Vec::new()).await
    }

    /// Notes how far the journal was read, now and then.
    async fn note(&mut self) -> Result<(), StoreError> {
        let now = clock::now().at;
        if self.noted.0 == self.read_up_to || now.ms_since(self.noted.1) < 1_000 {
            return Ok(());
        }
        self.noted = (self.read_up_to, now);
        self.write(vec![RuleNews::new(now, RuleChange::ReadUpTo(self.read_up_to))], Vec::new()).await
    }

    async fn cancel(&mut self, order: Cancel) -> Result<(), StoreError> {
        let change = self.timers.cancel(order.timer, &order.why);
        let (was_there, now) = (change.is_some(), clock::now().at);
        self.write(change.into_iter().map(|change| told(change, now)).collect(), Vec::new()).await?;
        let _gone = order.done.send(was_there);
        Ok(())
    }

    /// Reads the journal to its end.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        loop {
            let rows = self.parts.customers.store.events_after(self.read_up_to, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.seq) else { return Ok(()) };
            let mut news = Vec::new();
            // A plan without rules costs calls nothing but the reading.
            let is_idle = self.timers.is_idle();
            for row in rows.iter().filter(|_| !is_idle) {
                if let Some(heard) = hear::heard(&self.parts.customers, row).await? {
                    news.extend(self.timers.hear(&heard).into_iter().map(|change| told(change, row.at)));
                }
            }
            if !news.is_empty() {
                news.push(RuleNews::new(clock::now().at, RuleChange::ReadUpTo(last)));
                self.write(news, Vec::new()).await?;
            }
            self.read_up_to = last;
        }
    }

    /// Carries out what is due.
    async fn carry_out(&mut self) -> Result<(), StoreError> {
        let now = clock::now().at;
        for timer in self.timers.due(now, MOST_AT_ONCE) {
            // Whoever else changes cases waits.
            let _turn = self.parts.customers.turn().await;
            let fire::Weighed { news, others } = fire::weighed(self.parts, &timer, now).await?;
            let todo: Vec<u32> = match &news.what {
                RuleChange::Fired { deeds, .. } => {
                    METRICS.rules_fired.inc();
                    let open = (0_u32..).zip(deeds).filter(|(_, deed)| !deed.state.is_over());
                    open.map(|(nth, _)| nth).collect()
                }
                _ => Vec::new(),
            };
            // How far the journal was read belongs to it: what set the timer must not be read again.
            let read = RuleNews::new(now, RuleChange::ReadUpTo(self.read_up_to));
            self.write(vec![news, read], others).await?;
            self.timers.take(timer.timer);
            for nth in todo {
                self.pending.insert((timer.timer, nth), Pending { timer: timer.clone(), item: None, since: now });
            }
        }
        Ok(())
    }

    /// Asks the floor for what it has to do, and notes what the database has of it.
    async fn ask_floor(&mut self) -> Result<(), StoreError> {
        let keys: Vec<_> = self.pending.keys().copied().collect();
        for (timer, nth) in keys {
            let Some(pending) = self.pending.get(&(timer, nth)) else { continue };
            let Some(then) = pending.timer.rule.then.get(nth as usize) else { continue };
            let outcome = match then {
                Then::Call { .. } => self.call(pending, then).await?,
                Then::Priority { minutes } => self.prioritise(pending, *minutes).await?,
                Then::Case { .. } | Then::Notify { .. } | Then::Message { .. } => Progress::Over(Ok(String::new())),
            };
            match outcome {
                Progress::Wait => {}
                Progress::Asked(item) => {
                    if let Some(pending) = self.pending.get_mut(&(timer, nth)) {
                        pending.item = Some(item);
                    }
                }
                Progress::Over(outcome) => {
                    let now = clock::now().at;
                    self.write(vec![fire::done(timer, nth, outcome, now)], Vec::new()).await?;
                    self.pending.remove(&(timer, nth));
                }
            }
        }
        Ok(())
    }

    async fn call(&self, pending: &Pending, then: &Then) -> Result<Progress, StoreError> {
        let store = &self.parts.customers.store;
        let wish = match fire::wish(&pending.timer, then) {
            Ok(wish) => wish,
            Err(why) => return Ok(Progress::Over(Err(why))),
        };
        if let Some(item) = pending.item {
            let is_there = store.item_for_rules(item).await?.is_some();
            return Ok(if is_there { Progress::Over(Ok(format!("callback {item}"))) } else { Progress::Wait });
        }
        // Asked for before a restart, and told to nobody: the database knows it.
        let number = pending.timer.about.identity.as_ref().map(|identity| identity.value().into());
        if let Some(number) = number
            && let Some(item) = store.called_back_since(&number, pending.since).await?
        {
            return Ok(Progress::Over(Ok(format!("callback {item}"))));
        }
        let customer = pending.timer.about.customer;
        let ask = |reply| ControlRequest::Callback(CallbackRequest::Ask { wish: Box::new(wish), customer, reply });
        Ok(match asked(&self.parts.requests, ask).await {
            None => Progress::Wait,
            Some(Ok((view, _))) => Progress::Asked(view.item),
            Some(Err(NotAsked::Bad(why))) => Progress::Over(Err(why.to_string())),
            Some(Err(NotAsked::Refused(why))) => Progress::Over(Err(not_promised(&why))),
        })
    }

    async fn prioritise(&self, pending: &Pending, minutes: u32) -> Result<Progress, StoreError> {
        let Thing::Item(item) = pending.timer.thing else { return Ok(Progress::Over(Err("nobody waits".to_owned()))) };
        let row = self.parts.customers.store.item_for_rules(item).await?;
        let Some(row) = row.filter(|row| row.waits) else {
            return Ok(Progress::Over(Err("they do not wait any more".to_owned())));
        };
        if row.priority_minutes >= minutes {
            return Ok(Progress::Over(Ok(format!("item {item} is {} min ahead", row.priority_minutes))));
        }
        if pending.item.is_some() {
            return Ok(Progress::Wait);
        }
        let reason = format!("rule {}, timer {}", pending.timer.rule.name, pending.timer.timer);
        let ask = |reply| ControlRequest::Priority(PriorityRequest { item, minutes, reason, reply });
        Ok(match asked(&self.parts.requests, ask).await {
            None => Progress::Wait,
            Some(Ok(_)) => Progress::Asked(item),
            Some(Err(why)) => Progress::Over(Err(not_moved(&why))),
        })
    }
}

/// How far the floor is with what it was asked for.
enum Progress {
    Wait,
    Asked(ItemId),
    Over(Result<String, String>),
}

fn not_promised(why: &NotPromised) -> String {
    match why {
        NotPromised::NoSuchQueue => "the plan has no such queue any more".to_owned(),
        NotPromised::Full => "the queue is full".to_owned(),
        NotPromised::TooOften => "this number has been promised as many callbacks as it may be in a day".to_owned(),
        NotPromised::Promised(item) => format!("the customer is called back already, by item {item}"),
    }
}

fn not_moved(why: &NotPrioritised) -> String {
    match why {
        NotPrioritised::NoSuchItem | NotPrioritised::NotWaiting => "they do not wait any more".to_owned(),
        NotPrioritised::TooMuch(most) => format!("the queue allows {most} minutes at most"),
    }
}

/// A change, as it is written down.
fn told(change: Change, at: Timestamp) -> RuleNews {
    RuleNews::new(
        at,
        match change {
            Change::Set(timer) => RuleChange::Set(*timer),
            Change::Moved(timer) => RuleChange::Moved { timer: timer.timer, customer: timer.about.customer },
            Change::Ended { timer, how, why } => {
                RuleChange::Ended { timer: timer.timer, rule: timer.rule.name.to_string(), how, why }
            }
        },
    )
}
