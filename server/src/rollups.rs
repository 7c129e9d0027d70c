//! Makes roll-ups of what is settled, in the background, so that figures over long times are told at once.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    clock,
    store::{Store, Writer},
};

/// How often it is looked for what has settled.
const EVERY: Duration = Duration::from_secs(60);
/// Between two pieces of work: calls come first.
const BREATH: Duration = Duration::from_millis(20);

/// Works as long as the runtime is there.
pub fn start(store: Store, writer: Writer) {
    tokio::spawn(async move {
        loop {
            let made = if writer.is_at_ease() { store.seal_figures(clock::now().at).await } else { Ok(0) };
            let pause = match made {
                Ok(0) => EVERY,
                Ok(_) => BREATH,
                Err(error) => {
                    // Figures are right without: they are told from rows.
                    tracing::warn!(%error, "roll-ups of figures cannot be made now");
                    EVERY
                }
            };
            sleep(pause).await;
        }
    });
}
