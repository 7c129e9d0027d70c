//! What cannot have been kept, and what was damaged since.

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use super::{
    calls::{end, sdp},
    far::{ALLOW, Far, THEIRS, desk},
};
use crate::{
    endpoint::{Command, KeptLeg, NotRestored, Restored},
    message::Name,
};

#[test]
fn what_cannot_have_been_kept_is_an_error() {
    let mut first = desk(|_| {});
    let (_, invite) = Far::answered(&mut first, &[ALLOW, (Name::SessionExpires, "600;refresher=uac")]);
    let kept = serde_json::to_value(first.kept(invite)).unwrap();
    let long = "x".repeat(3_000);
    let mut next = desk(|_| {});
    for (field, value, what) in [
        ("/v", 9.into(), None),
        ("/local_tag", "zz".into(), Some("tag")),
        ("/remote", "<sip:a@h>;tag=other".into(), Some("party")),
        ("/remote", "<sip:a@h>\r\nX: y;tag=x".into(), Some("party")),
        ("/local", "<sip:a@h>;tag=1".into(), Some("own address")),
        ("/call_id", "a b".into(), Some("Call-ID")),
        ("/call_id", long.into(), Some("Call-ID")),
        ("/target", "nowhere".into(), Some("target")),
        ("/target", "sip:a@h\r\nX: y".into(), Some("target")),
        ("/local_cseq", (1_u64 << 31).into(), Some("number")),
        ("/account", "alice".into(), Some("side")),
        ("/to/remote", "0.0.0.0:5060".into(), Some("way")),
        ("/to/remote", "192.0.2.1:0".into(), Some("way")),
        ("/session/interval_s", 0.into(), Some("session timer")),
        ("/session/interval_s", u32::MAX.into(), Some("session timer")),
        ("/described", "x".repeat(20_000).into(), Some("description")),
    ] {
        let mut bad = kept.clone();
        let (parent, key) = field.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[key] = value;
        let bad: KeptLeg = serde_json::from_value(bad).unwrap();
        let moment = next.moment();
        let expected = what.map_or(NotRestored::Version(9), NotRestored::Nonsense);
        assert_eq!(next.endpoint.restore(moment, &bad), Err(expected), "{field}");
    }
    let kept: KeptLeg = serde_json::from_value(kept).unwrap();
    next.restore(&kept);
    let moment = next.moment();
    assert_eq!(next.endpoint.restore(moment, &kept), Err(NotRestored::There));
    let mut full = desk(|config| config.limits.max_dialogs = 0);
    assert_eq!(full.endpoint.restore(moment, &kept), Err(NotRestored::Full));
}

/// Random damage to what was kept of each kind of leg: an error, or a leg whose messages are well-formed (the desk
/// reads every one).
#[test]
fn damage_does_no_harm() {
    let mut kinds = Vec::new();
    let mut first = desk(|_| {});
    let (_, up) = Far::answered(&mut first, &[ALLOW, (Name::SessionExpires, "600;refresher=uac")]);
    kinds.push(serde_json::to_string(&first.kept(up)).unwrap());
    let mut second = desk(|_| {});
    let (far, calling) = Far::called(&mut second);
    far.reply(&mut second, &far.invite().clone(), 180, &[], "");
    kinds.push(serde_json::to_string(&second.kept(calling)).unwrap());
    let mut third = desk(|_| {});
    let (mut far, ringing) = Far::calls(&mut third, &[], THEIRS);
    kinds.push(serde_json::to_string(&third.kept(ringing)).unwrap());
    third.command(Command::Answer { invite: ringing, sdp: sdp() });
    far.hear(&mut third, 200);
    kinds.push(serde_json::to_string(&third.kept(ringing)).unwrap());
    let mut restored = 0;
    for seed in 0..8_000_u64 {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let mut below = |most: usize| usize::try_from(random.next_u64() % u64::try_from(most.max(1)).unwrap()).unwrap();
        let mut text = kinds[below(4)].clone().into_bytes();
        for _ in 0..=below(3) {
            let at = below(text.len());
            match below(3) {
                0 => text[at] = b"0129azAZ<>;:@\"\\,.-/ \t"[below(21)],
                1 => drop(text.remove(at)),
                _ => {
                    let piece = [&b"9999999999"[..], b"\\r\\n", b"sip:", b"<", b";tag=", b"%00", b"[::]"][below(7)];
                    text.splice(at..at, piece.iter().copied());
                }
            }
        }
        let Ok(kept) = serde_json::from_slice::<KeptLeg>(&text) else { continue };
        let mut next = desk(|_| {});
        let moment = next.moment();
        let outcome = next.endpoint.restore(moment, &kept);
        next.drain();
        if let Ok(Restored::Up { invite, .. }) = outcome {
            next.endpoint.keep(moment, invite);
            next.command(Command::Reoffer { invite, sdp: sdp() });
            next.command(end(invite));
        }
        restored += usize::from(outcome.is_ok());
        next.pass(1_000_000);
        assert_eq!(next.endpoint.counts().invites, 0, "{}", String::from_utf8_lossy(&text));
    }
    assert!(restored > 500, "{restored}");
}
