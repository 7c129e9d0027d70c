//! The story of one work item: where it waited, who was asked and why, how it ended.

use serde::Serialize;
use tandem_switch::{
    floor::{Decision, WaitingItem},
    id::{ItemId, OfferId},
    name::AgentName,
    time::Timestamp,
};

use super::{JournalRow, Store, StoreError, db::args, events::journal_row, restore::waiting_item, sql};

/// Offers and events of one item that are shown.
const MOST: u32 = 200;

/// All that is known of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemStory {
    /// The item as it was queued.
    #[serde(flatten)]
    pub item: WaitingItem,
    /// `waiting`, `served`, `left` or `rejoined`.
    pub state: String,
    /// Who has or had it.
    pub agent: Option<AgentName>,
    /// When it joined the queue.
    pub queued_at: Timestamp,
    /// When an agent took it.
    pub served_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Why it left, or the cause that ended the conversation.
    pub reason: Option<String>,
    /// Who was asked, in order.
    pub offers: Vec<OfferRow>,
    /// Its journal rows.
    pub events: Vec<JournalRow>,
}

/// One agent who was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfferRow {
    /// Which offer.
    pub offer: OfferId,
    /// Whom.
    pub agent: AgentName,
    /// Why this one and not the others.
    pub decision: Decision,
    /// When.
    pub offered_at: Timestamp,
    /// When it ended; `None` while it rings.
    pub ended_at: Option<Timestamp>,
    /// `accepted`, `declined`, `expired` or `withdrawn`.
    pub outcome: Option<String>,
    /// Why it was declined.
    pub cause: Option<String>,
}

impl Store {
    /// The story of an item; `None` when there is no such item.
    pub async fn why(&self, item: ItemId) -> Result<Option<ItemStory>, StoreError> {
        let id = item.to_string();
        let Some(row) = self.db.fetch_one(sql::ITEM, &args![id.as_str()]).await? else { return Ok(None) };
        let offers = self.db.fetch(sql::OFFERS_OF_ITEM, &args![id.as_str(), MOST]).await?;
        let events = self.db.fetch(sql::EVENTS_OF_ITEM, &args![id.as_str(), MOST]).await?;
        Ok(Some(ItemStory {
            item: waiting_item(&row)?,
            state: row.get("state")?,
            agent: row.get::<Option<&str>>("agent")?.map(AgentName::from),
            queued_at: row.at("queued_us")?,
            served_at: row.maybe_at("served_us")?,
            ended_at: row.maybe_at("ended_us")?,
            reason: row.get("reason")?,
            offers: offers
                .iter()
                .map(|row| {
                    Ok(OfferRow {
                        offer: row.parsed("offer_id")?,
                        agent: AgentName::from(row.get::<&str>("agent")?),
                        decision: row.json("decision")?,
                        offered_at: row.at("offered_us")?,
                        ended_at: row.maybe_at("ended_us")?,
                        outcome: row.get("outcome")?,
                        cause: row.get("cause")?,
                    })
                })
                .collect::<Result<_, StoreError>>()?,
            events: events.iter().map(journal_row).collect::<Result<_, _>>()?,
        }))
    }
}
