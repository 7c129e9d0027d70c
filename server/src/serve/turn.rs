//! The TURN server of a plan, found by its name.

use std::{net::SocketAddr, path::Path, time::Duration};

use tandem_dialplan::{Listen, Turn};
use tandem_media::{engine::Engine, turn::Server};

use super::plans::{place, read_secret};

/// The name is looked up for so long; calls do not wait for it any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// So long a start waits for the first addresses, and how often it looks.
const START: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// Whoever lends addresses to the ports that browsers share. `None`: nobody is named, or who is named cannot be found, which
/// is told and takes nothing from the calls that go without.
pub(super) async fn server(listen: &Listen, folder: &Path) -> Option<Server> {
    let Turn { host, port, user, secret } = listen.turn.as_ref()?;
    let Some(password) = read_secret(secret, folder) else {
        tracing::error!(server = %host, secret = place(secret), "the secret of the TURN server cannot be read; calls go without the server");
        return None;
    };
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), *port))).await;
    let why = match found {
        Ok(Ok(mut found)) => {
            // Its datagrams come to the port of our audio.
            match found.find(|address: &SocketAddr| address.is_ipv4() == listen.rtp_address.is_ipv4()) {
                Some(address) => return Some(Server { address, username: user.clone(), password }),
                None => format!("it has no address of the family of {}", listen.rtp_address),
            }
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the name was not answered in time".to_owned(),
    };
    tracing::error!(server = %host, why, "the TURN server cannot be found; calls go without it until the next start");
    None
}

/// Waits for what is lent, as long as a start may. Calls of before a restart are offered anew at once, and whoever is reached by
/// that address only must find it in the offer.
pub(super) async fn lends(engine: &Engine, threads: usize) {
    let lent = async {
        while engine.lent_addresses() < threads {
            tokio::time::sleep(LOOK).await;
        }
    };
    // What is wrong is in the log by then.
    let _in_time = tokio::time::timeout(START, lent).await;
}
