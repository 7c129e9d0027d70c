//! From items that fit the table to a plan whose every name exists.

mod audio_streams;
mod decisions;
mod devices;
mod identity;
mod lots;
mod mailboxes;
mod media_keys;
mod names;
mod places;
mod prompts;
mod protect;
mod queues;
mod recordings;
mod routes;
mod routes_again;
mod rules;
mod schedules;
mod steps;
mod test_blocks;
mod trunk_calls;
mod trunks;
mod unused;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    sync::Arc,
};

use jiff::tz::TimeZone;
use tandem_switch::name::{Extension, Language, LotName, MailboxName, SkillName};

pub(crate) use self::routes_again::Last;
use self::{names::Names, queues::QueueAnswers, routes_again::Made};
use crate::{
    checker::Needs,
    diagnostic::Findings,
    grammar::Noun,
    imports,
    index::RouteIndex,
    inside::{ExtensionRange, Lot, Mailbox},
    plan::{Block, BlockId, Ending, Plan},
    proofs,
    read::{Data, Item, NEVER},
    settings::Digest,
    shared_list::SharedList,
    source::{Location, Source},
    world::World,
};

/// The silence that ends a call when the plan does not say, in ms.
const SILENCE_MS: u64 = 30_000;

/// Where steps stand that no text was written for.
pub(crate) const BUILT_IN: Location = Location { file: u16::MAX, offset: 0, length: 0 };

/// Builds a plan of what was read and proves what can be proved of it. `None` when an error was found, now or before.
pub(crate) fn build(items: &[Item], sources: &[Source], world: &World, findings: &mut Findings) -> (Option<Plan>, Option<Last>) {
    imports::check(items, sources, findings);
    let names = Names::collect(items, findings);
    names.resolve(items, world, findings);
    let mut builder = Builder::new(items, sources, world, names.clone(), findings);
    let plan = builder.build(items);
    let (numbers, answers) = (Arc::clone(&builder.routes), builder.built_answers());
    let (flow, compared) = proofs::all(&plan, items, findings);
    unused::calendars(items, sources, findings);
    if findings.has_errors() {
        return (None, None);
    }
    let last = Last::new(&plan, (items, sources, world), Made { names, numbers, answers, flow, compared }, findings);
    (Some(plan), last)
}

/// Looks only for the names of outside things.
pub(crate) fn needs(items: &[Item]) -> Needs {
    let mut files = BTreeSet::new();
    // No step and no test names a file: of these there are thousands.
    for item in items.iter().filter(|item| !matches!(item.spec.name, "route" | "test")) {
        item.walk(&mut |item| {
            for value in item.values() {
                if let Some(crate::secret::Secret::File(path)) = value.secret() {
                    files.insert(path.clone());
                }
            }
            files.extend(identity::files(item).map(str::to_owned));
            if item.spec.name == "tls" {
                files.extend(["ca", "certificate", "key"].iter().filter_map(|name| item.prop_text(name)).map(str::to_owned));
            }
        });
    }
    Needs { prompts: top_text(items, "prompts").unwrap_or("prompts").to_owned(), files }
}

/// What the builders of all kinds share.
pub(crate) struct Builder<'a> {
    pub(crate) findings: &'a mut Findings,
    world: &'a World,
    sources: &'a [Source],
    names: Names,
    languages: BTreeSet<Language>,
    zone: TimeZone,
    extensions: Vec<ExtensionRange>,
    lots: BTreeMap<LotName, Lot>,
    mailboxes: BTreeMap<MailboxName, Mailbox>,
    /// Blocks that several routes lead to.
    shared: Vec<Block>,
    /// Those of the route that is built.
    own: Vec<Block>,
    /// Which of both grow, as [`BlockId`] counts them.
    part: u32,
    /// Answers to endings that a step leaves open.
    defaults: [BlockId; Ending::ALL.len()],
    agent_error: BlockId,
    /// What queues say of endings that a step leaves open; goes before the defaults. Empty while these are built.
    answers: QueueAnswers<'a>,
    routes: Arc<BTreeMap<String, usize>>,
}

impl<'a> Builder<'a> {
    fn new(items: &'a [Item], sources: &'a [Source], world: &'a World, names: Names, findings: &'a mut Findings) -> Self {
        let zone = items.iter().find(|item| item.spec.name == "time-zone").and_then(|item| match &item.args.first()?.data {
            Data::Zone(zone) => Some(zone.clone()),
            _ => None,
        });
        let routes = tops(items, "route").enumerate().filter_map(|(index, item)| Some((item.text()?.to_owned(), index)));
        let mut index = BTreeMap::new();
        for (name, at) in routes {
            index.entry(name).or_insert(at);
        }
        Self {
            findings,
            world,
            sources,
            languages: names::languages(items),
            names,
            zone: zone.unwrap_or(TimeZone::UTC),
            extensions: Vec::new(),
            lots: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            shared: Vec::new(),
            own: Vec::new(),
            part: 0,
            defaults: [BlockId::default(); Ending::ALL.len()],
            agent_error: BlockId::default(),
            answers: QueueAnswers::default(),
            routes: Arc::new(index),
        }
    }

    fn build(&mut self, items: &'a [Item]) -> Plan {
        self.inside(items);
        let pickup_groups = self.pickup_groups(items);
        self.answers_of(items);
        let listen = self.listen(items);
        let trunks = self.trunks(items);
        let trunk_groups = self.trunk_groups(items, &trunks);
        let protect = self.protect(items);
        let recordings = self.recordings(items);
        let audio_streams = self.audio_streams(items);
        let decision_services = self.decision_services(items);
        let queues = self.queues(items);
        let schedules = self.schedules(items);
        let starter_agents = self.starter_agents(items);
        let rules = self.rules(items);
        let (routes, own) = self.routes(items);
        let parts: SharedList<_> = iter::once(Arc::new(std::mem::take(&mut self.shared))).chain(own).collect();
        let mut plan = Plan {
            generation: 0,
            realm: top_text(items, "realm").unwrap_or("tandem").to_owned(),
            digest: digests(items),
            country: top_text(items, "country").map(str::to_owned),
            language: names::default_language(items),
            languages: std::mem::take(&mut self.languages),
            time_zone: self.zone.clone(),
            prompts: top_text(items, "prompts").unwrap_or("prompts").to_owned(),
            capture: identity::capture(items),
            silence_ends_after_ms: silence(items),
            name_servers: name_servers(items),
            listen,
            protect,
            recordings,
            supervisors: self.supervisors(items),
            extensions: std::mem::take(&mut self.extensions),
            skills: self.names.all(Noun::Skill).map(SkillName::from).collect(),
            trunks,
            trunk_groups,
            queues,
            lots: std::mem::take(&mut self.lots),
            audio_streams,
            decision_services,
            mailboxes: std::mem::take(&mut self.mailboxes),
            pickup_groups,
            schedules,
            starter_agents,
            rules,
            routes,
            tests: Vec::new(),
            secrets: decisions::secrets(&parts),
            index: Arc::default(),
            parts,
            files: self.sources.iter().map(|source| source.path.clone()).collect(),
            lines: self.findings.lines().to_vec(),
        };
        plan.index = Arc::new(RouteIndex::new(&plan.routes));
        self.readable_keys(items, &plan);
        plan.tests = self.tests(items, &plan);
        plan
    }

    /// What is reached inside.
    fn inside(&mut self, items: &'a [Item]) {
        self.extensions = self.extension_ranges(items);
        self.lots = self.lots(items);
        self.mailboxes = self.mailboxes(items);
    }

    /// The answers that are there for all steps. None of them has one of a queue in it.
    fn answers_of(&mut self, items: &'a [Item]) {
        self.built_in_defaults();
        self.plan_defaults(items);
        self.answers = QueueAnswers::of(items);
    }

    /// Whether every language of the plan has a recording.
    fn recorded(&self, prompt: &str) -> bool {
        self.languages.iter().all(|language| self.world.has(language, prompt))
    }
}

/// Top items of one name.
fn tops<'a>(items: &'a [Item], name: &'static str) -> impl Iterator<Item = &'a Item> {
    items.iter().filter(move |item| item.spec.name == name)
}

/// The name servers that the plan wants asked.
fn name_servers(items: &[Item]) -> Vec<std::net::SocketAddr> {
    let addresses = tops(items, "name-server").filter_map(|item| item.args.first());
    addresses.filter_map(|value| if let Data::Bind(address) = &value.data { Some(*address) } else { None }).collect()
}

impl Builder<'_> {
    /// Who may supervise.
    fn supervisors(&mut self, items: &[Item]) -> BTreeSet<Extension> {
        let mut known = BTreeSet::new();
        for value in tops(items, "supervisors").flat_map(|item| &item.args) {
            let Some(text) = value.text() else { continue };
            if self.is_extension(text) {
                known.insert(Extension::from(text));
            } else {
                self.findings.error("unknown-extension", value.at, format!("`{text}` is no internal number of this plan"));
            }
        }
        known
    }
}

/// The digest algorithms that the plan wants, or all.
fn digests(items: &[Item]) -> Vec<Digest> {
    let wanted: Vec<_> = tops(items, "digest").next().into_iter().flat_map(Item::texts).filter_map(Digest::from_word).collect();
    if wanted.is_empty() { vec![Digest::Sha256, Digest::Md5] } else { wanted }
}

/// The silence that ends a call: as said, or half a minute.
fn silence(items: &[Item]) -> Option<u64> {
    let said = tops(items, "silence-ends-after").next();
    if said.and_then(Item::text) == Some(NEVER) { None } else { said.and_then(Item::ms).or(Some(SILENCE_MS)) }
}

fn top_text<'a>(items: &'a [Item], name: &'static str) -> Option<&'a str> {
    tops(items, name).next().and_then(Item::text)
}
