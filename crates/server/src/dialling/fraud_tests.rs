//! Toll fraud, tried in every spelling that comes to mind: nothing of it is dialled.

use tutti_control_plane::{AccountRecord, NumberRecord};
use tutti_freeclimb::address::Address;
use tutti_model::{AccountId, CallId, NumberId, Timestamp};

use super::forbidden::{PRIVATE_V4, forbidden};
use super::plan::{callee_uri, caller_uri};
use super::*;
use crate::config::Config;
use crate::egress::Policy;

const OWNER: AccountId = AccountId::from_bytes([1; 20]);
const STRANGER: AccountId = AccountId::from_bytes([2; 20]);

/// One number that may be dialled, dressed up in the ways below.
const ALLOWED: &str = "+13125550100";

/// As REST and PerCL read them, and as they stand.
#[test]
fn no_forbidden_target_finds_a_way() {
    let plan = plan();
    let targets = forbidden();
    assert!(targets.len() >= 300, "{} targets", targets.len());
    let found: Vec<_> = targets
        .iter()
        .filter(|target| {
            let asked = Address::parse(target).ok().map(Address::into_text);
            let passed = asked.is_some_and(|asked| plan.route(OWNER, &asked).is_ok());
            passed || plan.route(OWNER, target).is_ok()
        })
        .collect();
    assert!(
        found.is_empty(),
        "{} of {}: {found:?}",
        found.len(),
        targets.len()
    );
}

#[test]
fn what_the_plan_allows_finds_its_way() {
    let plan = plan();
    for number in [ALLOWED, "+13129999999", "+4930123456"] {
        let Ok(Route::Trunk { number: found, .. }) = plan.route(OWNER, number) else {
            panic!("{number} finds no way");
        };
        assert_eq!(found.as_str(), number);
    }
    for uri in [
        "sip:alice@phones.example",
        "SIP:alice.b-c_d@Phones.Example:5070;transport=TCP",
        "sip:+13125550100@203.0.113.9",
        "sip:100@[2001:db8::9]:5070",
        "sip:phones.example",
    ] {
        let route = plan.route(OWNER, uri);
        assert!(matches!(route, Ok(Route::Direct(_))), "{uri}: {route:?}");
    }
}

#[test]
fn nothing_is_dialled_without_a_word_of_the_operator() {
    let plan = DialPlan::default();
    let refused = plan.route(OWNER, ALLOWED).unwrap_err();
    assert_eq!(refused, PlanRefusal::NoTrunk);
    let refused = plan.route(OWNER, "sip:alice@phones.example").unwrap_err();
    assert_eq!(refused, PlanRefusal::SipUrisOff);
    // A trunk without prefixes carries nothing.
    let plan = DialPlan::new(
        trunks("[[sip.trunks]]\nname = \"a\"\nhost = \"a.example\"\n"),
        true,
    );
    let refused = plan.route(OWNER, ALLOWED).unwrap_err();
    assert_eq!(refused, PlanRefusal::NotAllowed);
}

#[test]
fn the_longest_prefix_carries_a_number_and_the_first_of_several_alike() {
    let plan = plan();
    for (account, number, expected) in [
        (OWNER, "+13125550100", Some("chicago")),
        (STRANGER, "+13125550100", Some("chicago")),
        (OWNER, "+4930123456", Some("berlin")),
        (OWNER, "+4931234567", Some("germany")),
        // The exception is longer than the rule, and a longer rule than the exception.
        (OWNER, "+49900123456", None),
        (OWNER, "+499001234567", Some("germany")),
        // Another account may not use the trunks to Germany.
        (STRANGER, "+4930123456", None),
    ] {
        let found = match plan.route(account, number) {
            Ok(Route::Trunk { trunk, .. }) => Some(trunk.name.as_str()),
            Ok(Route::Direct(_)) => panic!("a number is no SIP URI"),
            Err(_) => None,
        };
        assert_eq!(found, expected, "{number}");
    }
}

#[test]
fn a_trunk_is_asked_and_shown_what_it_wants() {
    let plan = plan();
    let number: E164 = ALLOWED.parse().unwrap();
    let [chicago, _, berlin, ..] = plan.trunks() else {
        panic!("there are four trunks");
    };
    assert_eq!(
        callee_uri(&number, chicago),
        "sip:+13125550100@198.51.100.7:5070"
    );
    assert_eq!(
        callee_uri(&number, berlin),
        "sip:13125550100@berlin.example"
    );
    let shown = |from, trunk| caller_uri(from, trunk, "192.0.2.1").unwrap();
    assert_eq!(shown("+15551234567", None), "sip:+15551234567@192.0.2.1");
    assert_eq!(
        shown("+15551234567", Some(chicago)),
        "sip:+15551234567@192.0.2.1"
    );
    assert_eq!(
        shown("+15551234567", Some(berlin)),
        "sip:4930000000@us.example"
    );
    assert_eq!(shown("alice", Some(chicago)), "sip:alice@192.0.2.1");
    assert_eq!(
        shown("sip:alice@phones.example", None),
        "sip:alice@phones.example"
    );
    assert_eq!(shown("", None), "sip:anonymous@192.0.2.1");
    // A trunk may take the number out of a SIP URI that anybody could have.
    let uri = "sip:+1911@app.example";
    let refused = caller_uri(uri, Some(chicago), "192.0.2.1");
    assert_eq!(refused, Err(PlanRefusal::CallerIsUri));
    assert_eq!(shown(uri, Some(berlin)), "sip:4930000000@us.example");
    // A caller's name comes from a stranger's From header.
    for strange in [
        "a b",
        "a>\r\nVia: x",
        "a@b;tag=1",
        "sip:a@b?x=y",
        "%0d",
        "ä",
    ] {
        let shown = shown(strange, None);
        let user = shown.strip_prefix("sip:").unwrap();
        let user = user.strip_suffix("@192.0.2.1").unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "%-_.!~*+".contains(c);
        assert!(user.chars().all(plain), "{shown}");
    }
}

#[tokio::test]
async fn a_caller_that_is_not_the_accounts_own_is_not_shown() {
    let scene = Scene::new().await;
    for (from, known, allowed) in [
        (OWN_NUMBER, false, true),
        (FOREIGN_NUMBER, false, false),
        ("+13125550199", false, false),
        ("alice", false, false),
        ("", false, false),
        ("+13125550199", true, true),
    ] {
        let found = scene.find(OWNER, from, known, ALLOWED).await;
        match found {
            Ok(way) => {
                assert!(allowed, "{from}");
                assert_eq!(way.via, "198.51.100.7:5070".parse().unwrap());
            }
            Err(NotDialled::ForeignCaller) => assert!(!allowed, "{from}"),
            Err(other) => panic!("{from}: {other}"),
        }
    }
}

#[tokio::test]
async fn an_account_that_is_not_active_dials_nobody() {
    let scene = Scene::new().await;
    for (status, revision) in [(AccountStatus::Suspended, 2), (AccountStatus::Closed, 3)] {
        scene.put_account(OWNER, status, revision).await;
        let found = scene.find(OWNER, OWN_NUMBER, false, ALLOWED).await;
        assert!(
            matches!(found, Err(NotDialled::AccountInactive)),
            "{found:?}"
        );
    }
    let found = scene
        .find(AccountId::from_bytes([9; 20]), "", true, ALLOWED)
        .await;
    assert!(
        matches!(found, Err(NotDialled::AccountInactive)),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_sip_uri_reaches_no_private_place() {
    let scene = Scene::new().await;
    let v6 = [
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
    ];
    for private in PRIVATE_V4.iter().chain(&v6) {
        let target = format!("sip:a@{private}");
        let found = scene.find(OWNER, OWN_NUMBER, false, &target).await;
        assert!(
            matches!(found, Err(NotDialled::Egress(_))),
            "{private}: {found:?}"
        );
    }
    let direct = scene
        .find(OWNER, OWN_NUMBER, false, "sip:alice@8.8.4.4")
        .await;
    let direct = direct.unwrap();
    assert_eq!(direct.via, "8.8.4.4:5060".parse().unwrap());
    assert!(direct.credentials.is_none());
    assert!(direct.stay_with_peer);
}

#[tokio::test]
async fn a_trunk_is_not_reached_around_its_prefixes() {
    let file = "[[sip.trunks]]\nname = \"here\"\nhost = \"localhost:5099\"\n";
    let scene = Scene::with(DialPlan::new(trunks(file), true), true).await;
    for target in [
        "sip:+19005550100@localhost",
        "sip:+19005550100@127.0.0.1:5060",
    ] {
        let found = scene.find(OWNER, OWN_NUMBER, false, target).await;
        let by_trunk = matches!(found, Err(NotDialled::Plan(PlanRefusal::LeadsToTrunk)));
        assert!(by_trunk, "{target}: {found:?}");
    }
    // While nobody knows where a trunk is, any address might be its.
    let file = "[[sip.trunks]]\nname = \"lost\"\nhost = \"trunk.invalid\"\n";
    let scene = Scene::with(DialPlan::new(trunks(file), true), true).await;
    let found = scene
        .find(OWNER, OWN_NUMBER, false, "sip:a@127.0.0.1")
        .await;
    assert!(
        matches!(found, Err(NotDialled::TrunkUnknown { .. })),
        "{found:?}"
    );
}

/// What finds ways, with an account that has a number, and another that has one, too.
struct Scene {
    dialling: Dialling,
    store: Store,
}

impl Scene {
    async fn new() -> Scene {
        let file = "[[sip.trunks]]\nname = \"chicago\"\nhost = \"198.51.100.7:5070\"\n\
                    allowed_prefixes = [\"+1312\"]\n";
        Scene::with(DialPlan::new(trunks(file), true), false).await
    }

    async fn with(plan: DialPlan, loopback: bool) -> Scene {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let egress = Egress::new(Policy::new(&[], loopback).unwrap()).unwrap();
        let own_ip = "127.0.0.1".parse().unwrap();
        let scene = Scene {
            dialling: Dialling::new(plan, store.clone(), Arc::new(egress), own_ip),
            store,
        };
        for (account, n, number) in [(OWNER, 1, OWN_NUMBER), (STRANGER, 2, FOREIGN_NUMBER)] {
            scene.put_account(account, AccountStatus::Active, 1).await;
            let number = NumberRecord {
                id: NumberId::from_bytes([n; 20]),
                account,
                application: None,
                phone_number: number.to_owned(),
                alias: None,
                revision: 1,
                created: NOW,
                updated: NOW,
            };
            scene.store.put_number(&number).await.unwrap();
        }
        scene
    }

    async fn put_account(&self, id: AccountId, status: AccountStatus, revision: u32) {
        let account = AccountRecord {
            id,
            api_key_hash: [0; 32],
            signing_secrets: Vec::new(),
            status,
            alias: None,
            label: None,
            revision,
            created: NOW,
            updated: NOW,
        };
        self.store.put_account(&account).await.unwrap();
    }

    async fn find(
        &self,
        account: AccountId,
        from: &str,
        from_is_known: bool,
        to: &str,
    ) -> Result<Way, NotDialled> {
        let dial = Dial {
            account,
            call: CallId::from_bytes([3; 20]),
            from: from.to_owned(),
            to: to.to_owned(),
            from_is_known,
        };
        self.dialling.find(&dial).await
    }
}

const OWN_NUMBER: &str = "+13125550150";
const FOREIGN_NUMBER: &str = "+13125550151";
const NOW: Timestamp = Timestamp::from_micros(0);

fn plan() -> DialPlan {
    let file = format!(
        "[[sip.trunks]]\nname = \"chicago\"\nhost = \"198.51.100.7:5070\"\n\
         allowed_prefixes = [\"+1312\"]\n\
         [[sip.trunks]]\nname = \"germany\"\nhost = \"germany.example\"\naccounts = [\"{OWNER}\"]\n\
         allowed_prefixes = [\"+4930\", \"+4931\", \"+49900123456\", \"+499001234567\"]\n\
         refused_prefixes = [\"+49900123456\"]\n\
         [[sip.trunks]]\nname = \"berlin\"\nhost = \"berlin.example\"\naccounts = [\"{OWNER}\"]\n\
         allowed_prefixes = [\"+49301\"]\nstrip_plus = true\ncaller_id = \"+4930000000\"\n\
         from_domain = \"us.example\"\n\
         [[sip.trunks]]\nname = \"quad\"\nhost = \"9.9.9.9\"\nallowed_prefixes = []\n"
    );
    DialPlan::new(trunks(&file), true)
}

/// Trunks as a file has them: what is tested is what an operator writes.
fn trunks(text: &str) -> Vec<crate::config::Trunk> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let config = Config::load(Some(file.path()), std::iter::empty()).unwrap();
    config.sip.trunks
}
