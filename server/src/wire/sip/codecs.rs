//! Which codecs our side of a leg has, best first: what needs no transcoding, then what we can transcode. A codec that is
//! only passed on is there for a leg whose other side speaks it too, and then there is nothing beside it: whatever else was
//! agreed would be silence.

use tandem_signaling::sdp::AudioCodec;

/// For an offer to somebody. `wanted`: what the other side of the call speaks, or may speak while it is not answered; of that
/// and of what the leg may have. Nothing: the two cannot hear each other.
pub(super) fn offer(wanted: &[AudioCodec], allowed: &[AudioCodec]) -> Vec<AudioCodec> {
    let is_passed_on = |codecs: &[AudioCodec]| !codecs.is_empty() && codecs.iter().all(|codec| !codec.is_spoken());
    let common = both(wanted, allowed);
    if is_passed_on(wanted) || is_passed_on(&common) {
        return common;
    }
    spoken(common.iter().chain(allowed))
}

/// For the answer to what somebody offered. `partner`: what the other side of the call speaks, when there is one.
pub(super) fn answer(partner: Option<AudioCodec>, offered: &[AudioCodec], allowed: &[AudioCodec]) -> Vec<AudioCodec> {
    match partner {
        Some(partner) if !partner.is_spoken() => both(&[partner], allowed),
        partner => spoken(partner.iter().filter(|codec| allowed.contains(codec)).chain(&both(offered, allowed))),
    }
}

fn both(wanted: &[AudioCodec], allowed: &[AudioCodec]) -> Vec<AudioCodec> {
    wanted.iter().copied().filter(|codec| allowed.contains(codec)).collect()
}

fn spoken<'a>(codecs: impl Iterator<Item = &'a AudioCodec>) -> Vec<AudioCodec> {
    let mut spoken = Vec::with_capacity(AudioCodec::ALL.len());
    for codec in codecs.filter(|codec| codec.is_spoken()) {
        if !spoken.contains(codec) {
            spoken.push(*codec);
        }
    }
    spoken
}

#[cfg(test)]
mod tests {
    use super::*;
    use AudioCodec::{G722, G729, Opus, Pcma, Pcmu};

    const ALL: [AudioCodec; 5] = [Pcma, Pcmu, G722, Opus, G729];

    #[test]
    fn what_the_other_side_speaks_comes_first_and_all_that_can_be_transcoded_after_it() {
        assert_eq!(offer(&[Opus], &ALL), [Opus, Pcma, Pcmu, G722]);
        assert_eq!(offer(&[G722, G729, Pcmu], &ALL), [G722, Pcmu, Pcma, Opus]);
        assert_eq!(offer(&[], &ALL), [Pcma, Pcmu, G722, Opus]);
        assert_eq!(answer(Some(Pcmu), &[Opus, Pcmu, G729], &ALL), [Pcmu, Opus]);
        assert_eq!(answer(None, &[G729, Opus, Pcmu], &ALL), [Opus, Pcmu]);
    }

    #[test]
    fn what_is_only_passed_on_is_agreed_by_both_or_by_nobody() {
        assert_eq!(offer(&[G729], &ALL), [G729]);
        assert_eq!(offer(&[Pcma, G729], &[G729]), [G729], "a carrier that speaks nothing else, and a caller who has not settled");
        assert_eq!(offer(&[G729], &[Pcma]), [], "they cannot hear each other");
        assert_eq!(offer(&[Pcma], &[G729]), []);
        assert_eq!(offer(&[], &[G729]), []);
        assert_eq!(answer(Some(G729), &[Pcma, G729], &ALL), [G729]);
        assert_eq!(answer(None, &[G729], &ALL), [], "nothing of ours could be heard");
    }
}
