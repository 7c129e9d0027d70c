//! People and tokens.

use tandem_switch::{
    device::{Device, DeviceKind, Devices},
    name::Extension,
    step::{RingStrategy, Target},
};

use super::at;
use crate::store::{Binding, Person, Record, Scope, Secret, Store, TokenCheck, testing::both};

#[tokio::test]
async fn people_read_back_and_passwords_are_kept_as_hashes_only() {
    for db in both().await {
        let store = db.open().await;
        let mut person = Person::new(Extension::from("1001"), "tandem");
        person.set_password("correct horse");
        person.queues = vec!["support".into()];
        person.device = Target::Fixed("sip:agent7@127.0.0.3:5090".into());
        person.always_on = true;
        store.put_person(&person, "command line", at(0)).await.unwrap();
        person.display_name = "Ada".into();
        store.put_person(&person, "command line", at(1)).await.unwrap();
        assert_eq!(store.people().await.unwrap(), [person.clone()]);
        // md5, sha256 and sha512-256 of "1001:tandem:correct horse", as other programs make them.
        assert_eq!(person.ha1_md5.as_ref().map(Secret::expose), Some("93645b318995f394b55de3d2e2ba77fc"));
        assert_eq!(
            person.ha1_sha256.as_ref().map(Secret::expose),
            Some("ce7ca9433c44387a304c7705f9b86472f40772d0d3e6d4ad78a5319bfc7aeb05")
        );
        assert_eq!(
            person.ha1_sha512_256.as_ref().map(Secret::expose),
            Some("ebbaa86e9a40691c1800e373b62d17464df124c057358ee3defd754aba13f4c2")
        );
        let shown = format!("{person:?}");
        assert!(!shown.contains("93645b318995f394b55de3d2e2ba77fc") && !shown.contains("correct"), "{shown}");
        assert_eq!(person.profile().unwrap().queues.len(), 1);
        let events = store.events_after(0, 10).await.unwrap();
        assert!(events.iter().all(|row| &*row.kind == "audit" && !row.body.contains("correct")), "{events:?}");
        assert!(store.remove_person(&person.extension, "command line", at(2)).await.unwrap());
        assert!(!store.remove_person(&person.extension, "command line", at(2)).await.unwrap());
        assert!(store.people().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn devices_are_kept_in_their_order_and_a_change_of_the_person_leaves_them() {
    for db in both().await {
        let store = db.open().await;
        let mut person = Person::new(Extension::from("1001"), "tandem");
        person.queues = vec!["support".into()];
        store.put_person(&person, "ada", at(0)).await.unwrap();
        let device =
            |name: &str, kind, target| Device { name: name.into(), kind, target, ring_ms: Some(8_000), confirm: Some('1') };
        let number = Target::Trunk { trunk: "carrier".into(), number: "+393331234567".into() };
        person.devices = Devices {
            order: RingStrategy::All,
            list: vec![
                device("mobile", DeviceKind::Mobile, number),
                device("desk", DeviceKind::Desk, Target::Extension("1001".into())),
                device("soft", DeviceKind::Softphone, Target::Fixed("sip:a@127.0.0.1:5090".into())),
            ],
        };
        let what = ("device-added", "mobile");
        store.put_devices((&person.extension, &person.devices), what, "ada", at(1)).await.unwrap();
        // Whoever changes something else of the person knows nothing of devices.
        let before = Person { devices: Devices::default(), display_name: "Ada".into(), ..person.clone() };
        store.put_person(&before, "ada", at(2)).await.unwrap();
        person.display_name = "Ada".into();
        let again = db.open().await;
        assert_eq!(again.person(&person.extension).await.unwrap(), Some(person.clone()));
        assert_eq!(person.profile().unwrap().rings(), person.devices);
        let events = store.events_after(0, 10).await.unwrap();
        assert!(events[1].body.contains("device-added") && events[1].body.contains("1001: mobile"), "{events:?}");
        assert!(events.iter().all(|row| !row.body.contains("333")), "no number of theirs in the journal");
        let none = Devices::default();
        store.put_devices((&person.extension, &none), ("device-removed", "mobile"), "ada", at(3)).await.unwrap();
        assert_eq!(store.person(&person.extension).await.unwrap().unwrap().devices, none);
    }
}

#[tokio::test]
async fn a_new_password_and_a_removal_take_registrations_away() {
    let registered = async |store: &Store| {
        for extension in ["1001", "1002"] {
            let binding = Binding {
                extension: extension.into(),
                contact: format!("sip:{extension}@127.0.0.1"),
                source: "udp:127.0.0.1:5060".into(),
                register_call_id: String::new(),
                register_cseq: 0,
                user_agent: None,
                registered_at: at(0),
                expires_at: at(60_000),
                way: None,
            };
            store.commit(&[Record::BindingPut { binding, refreshed: false }]).await.unwrap();
        }
    };
    let left = async |store: &Store| {
        let all = store.bindings(at(1)).await.unwrap();
        all.iter().map(|binding| binding.extension.to_string()).collect::<Vec<_>>()
    };
    for db in both().await {
        let store = db.open().await;
        let mut person = Person::new(Extension::from("1001"), "tandem");
        person.set_password("correct horse");
        store.put_person(&person, "test", at(0)).await.unwrap();
        registered(&store).await;
        person.display_name = "Ada".into();
        store.put_person(&person, "test", at(1)).await.unwrap();
        assert_eq!(left(&store).await, ["1001", "1002"], "another name signs nobody off");
        person.set_password("battery staple");
        store.put_person(&person, "test", at(2)).await.unwrap();
        assert_eq!(left(&store).await, ["1002"]);
        registered(&store).await;
        store.remove_person(&person.extension, "test", at(3)).await.unwrap();
        assert_eq!(left(&store).await, ["1002"]);
    }
}

#[tokio::test]
async fn a_token_is_good_until_it_is_revoked_and_is_stored_as_a_hash() {
    for db in both().await {
        let store = db.open().await;
        let (text, token) = store.add_token("wallboard", Scope::Read, "command line", at(0)).await.unwrap();
        assert!(text.expose().starts_with("tdm_") && text.expose().len() == 68);
        assert_eq!(store.check_token(text.expose(), at(5)).await.unwrap(), TokenCheck::Good(token.clone()));
        assert_eq!(store.tokens().await.unwrap()[0].used_at, Some(at(5)));
        store.check_token(text.expose(), at(6)).await.unwrap();
        assert_eq!(store.tokens().await.unwrap()[0].used_at, Some(at(5)), "noted once a minute");
        let mut other = text.expose().to_owned();
        other.replace_range(60..61, if &other[60..61] == "0" { "1" } else { "0" });
        for bad in [other.as_str(), "", "tdm_", &text.expose()[4..], "tdm_é", &token.id] {
            assert_eq!(store.check_token(bad, at(7)).await.unwrap(), TokenCheck::Bad, "{bad}");
        }
        assert!(store.token_holds(&token.id).await.unwrap());
        assert!(store.revoke_token(&token.id, "command line", at(8)).await.unwrap());
        assert!(!store.revoke_token(&token.id, "command line", at(9)).await.unwrap());
        assert!(!store.token_holds(&token.id).await.unwrap());
        assert_eq!(store.check_token(text.expose(), at(9)).await.unwrap(), TokenCheck::Bad);
        let journal = format!("{:?}", store.events_after(0, 10).await.unwrap());
        assert!(!journal.contains(text.expose()));
    }
}
