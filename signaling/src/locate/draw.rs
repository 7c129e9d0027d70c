//! The order in which peers are tried: by rank, and by lot among equals (RFC 2782).

use super::Peer;

/// Peers in the order in which they are to be tried. `random` gives any number; the same numbers give the same order.
pub fn draw(peers: &[Peer], mut random: impl FnMut() -> u64) -> Vec<Peer> {
    let mut left: Vec<Peer> = peers.to_vec();
    // Stable: within a rank the given order stays. Those without a share stand first, which gives them the small
    // chance that the RFC wants.
    left.sort_by_key(|peer| (peer.rank, peer.weight > 0));
    let mut order = Vec::with_capacity(left.len());
    while let Some(first) = left.first().copied() {
        let equals = left.iter().take_while(|peer| peer.rank == first.rank);
        let sum: u64 = equals.clone().map(|peer| u64::from(peer.weight)).sum();
        let lot = if sum == 0 { 0 } else { random() % (sum + 1) };
        let mut running = 0;
        let chosen = equals.map(|peer| {
            running += u64::from(peer.weight);
            running
        });
        let chosen = chosen.enumerate().find(|(_, running)| *running >= lot).map_or(0, |(at, _)| at);
        order.push(left.remove(chosen));
    }
    order
}
