//! Toll fraud, tried in every spelling that comes to mind: nothing of it is dialled.

use std::collections::BTreeSet;

use tutti_control_plane::{AccountRecord, NumberRecord};
use tutti_freeclimb::address::Address;
use tutti_model::{AccountId, CallId, NumberId, Timestamp};

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
    let shown = |from, trunk| caller_uri(from, trunk, "192.0.2.1");
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

/// Everything that must not be dialled by an account that may dial Chicago, parts of Germany, and SIP
/// URIs at public hosts.
fn forbidden() -> BTreeSet<String> {
    let mut targets = BTreeSet::new();
    // Numbers elsewhere, above all those that earn money for whoever is called.
    for prefix in [
        "1900",
        "1976",
        "1809",
        "1876",
        "1473",
        "1649",
        "1784",
        "1284",
        "1268",
        "1246",
        "1242",
        "1441",
        "1664",
        "1758",
        "1767",
        "1868",
        "1869",
        "44",
        "4490",
        "447",
        "33",
        "3389",
        "34",
        "39",
        "39899",
        "41",
        "43",
        "4319",
        "48",
        "7",
        "7809",
        "81",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "211",
        "212",
        "216",
        "218",
        "220",
        "221",
        "222",
        "224",
        "225",
        "226",
        "231",
        "232",
        "234",
        "235",
        "237",
        "239",
        "242",
        "243",
        "245",
        "247",
        "252",
        "253",
        "257",
        "261",
        "263",
        "269",
        "290",
        "291",
        "297",
        "298",
        "299",
        "350",
        "355",
        "358",
        "359",
        "370",
        "371",
        "372",
        "373",
        "375",
        "377",
        "381",
        "382",
        "385",
        "387",
        "389",
        "420",
        "421",
        "500",
        "509",
        "53",
        "592",
        "597",
        "670",
        "672",
        "674",
        "675",
        "677",
        "678",
        "679",
        "682",
        "683",
        "685",
        "686",
        "687",
        "688",
        "690",
        "691",
        "692",
        "808",
        "870",
        "878",
        "881",
        "882",
        "883",
        "888",
        "960",
        "963",
        "964",
        "967",
        "972",
        "979",
        "991",
        "992",
        "993",
        "994",
        "49900",
        "49137",
        "49190",
        "4990012345",
    ] {
        let mut number = format!("+{prefix}");
        while number.len() < 12 {
            number.push('5');
        }
        targets.insert(number);
    }
    // The allowed number, dressed up so that somebody else may read it as another.
    for dress in [
        "13125550100",
        "0013125550100",
        "01113125550100",
        "+0013125550100",
        "+01113125550100",
        "0113125550100",
        "++13125550100",
        "+ 13125550100",
        " +13125550100",
        "+13125550100 ",
        "+1 312 555 0100",
        "+1-312-555-0100",
        "+1.312.555.0100",
        "+1(312)5550100",
        "(+1)3125550100",
        "+1312\u{a0}5550100",
        "+1312\u{200b}5550100",
        "\u{202e}+13125550100",
        "\u{feff}+13125550100",
        "\u{ff0b}13125550100",
        "+1312555010\u{0660}",
        "+\u{0661}\u{0663}\u{0661}\u{0662}5550100",
        "+\u{ff11}\u{ff13}\u{ff11}\u{ff12}5550100",
        "+\u{0967}3125550100",
        "+1312555010\u{00b2}",
        "+1312555010o",
        "+1312555010O",
        "+13125550100\0",
        "+13125550100\n",
        "+13125550100\r\nVia: x",
        "\t+13125550100",
        "+13125550100;ext=1",
        "+13125550100;phone-context=+1900",
        "+1312;phone-context=+1900",
        "+13125550100;isub=1",
        "+13125550100,1",
        "+13125550100p123",
        "+13125550100w123",
        "+13125550100#",
        "+13125550100*",
        "+13125550100@trunk.example",
        "+13125550100@10.0.0.1",
        "+13125550100?x",
        "+13125550100/1",
        "+13125550100&to=+1900",
        "+13125550100,+19005550100",
        "+13125550100;+19005550100",
        "+1312%35550100",
        "%2B13125550100",
        "%2b13125550100",
        "+13125550100123456789",
        "+1312",
        "+13125",
        "+",
        "",
        "0",
        "911",
        "112",
        "+911",
        "*67+13125550100",
        "\"+13125550100\"",
        "<+13125550100>",
        "'+13125550100'",
        "null",
        "1e11",
        "+1.3125550100e10",
        "0x30e39eb04",
        "tel:+13125550100",
        "TEL:+13125550100",
        "tel:+1-312-555-0100",
        "tel:13125550100;phone-context=+1",
        "tel:5550100;phone-context=+1312",
        "tel:+19005550100",
        "tel:%2B13125550100",
        "callto:+13125550100",
        "fax:+13125550100",
        "sms:+13125550100",
        "mailto:+13125550100@a.example",
        "http://+13125550100@a.example",
        "h323:a@b.example",
        "iax2:a@b.example",
        "urn:service:sos",
    ] {
        targets.insert(dress.to_owned());
    }
    // SIP URIs that say one thing to us and another to whoever gets them.
    for host in ["phones.example", "203.0.113.9"] {
        for trick in [
            "sip:+19005550100@{};user=phone",
            "sip:+19005550100;phone-context=+1@{}",
            "sip:19005550100;npdi@{}",
            "sip:+19005550100;isub=1@{}",
            "sip:a@{};user=phone",
            "sip:a@{};USER=PHONE",
            "sip:a@{};transport=udp;user=phone",
            "sip:a@{};transport=tls",
            "sip:a@{};transport=ws",
            "sip:a@{};transport=",
            "sip:a@{};transport",
            "sip:a@{};maddr=10.0.0.1",
            "sip:a@{};lr",
            "sip:a@{};ttl=1",
            "sip:a@{};method=REFER",
            "sip:a@{};method=INVITE",
            "sip:a@{};x=y",
            "sip:a@{};",
            "sip:a@{}?Route=%3Csip:10.0.0.1%3E",
            "sip:a@{}?Replaces=1",
            "sip:a@{}?",
            "sip:a:password@{}",
            "sip::password@{}",
            "sip:a:@{}",
            "sip:@{}",
            "sip:a@b@{}",
            "sip:a%40b@{}",
            "sip:%2B19005550100@{}",
            "sip:a%00@{}",
            "sip:a%0d%0aVia:x@{}",
            "sip:a b@{}",
            "sip: a@{}",
            "sip:a@ {}",
            "sip:a@{} ",
            " sip:a@{}",
            "sip:a\u{2044}b@{}",
            "sip:ä@{}",
            "sip:a/b@{}",
            "sip:a?b@{}",
            "sip:a#b@{}",
            "sip:\"a\"@{}",
            "<sip:a@{}>",
            "\"A\" <sip:a@{}>",
            "sip://a@{}",
            "sip:/a@{}",
            "sips:a@{}",
            "SIPS:a@{}",
            "sip:sip:a@{}",
            "tel:sip:a@{}",
            "sip:a@{}:0",
            "sip:a@{}:65536",
            "sip:a@{}:+5060",
            "sip:a@{}:-1",
            "sip:a@{}:5060:5061",
            "sip:a@{}:",
            "sip:a@{}:5060,10.0.0.1",
            "sip:a@{}#@10.0.0.1",
            "sip:a@{}/x",
            "sip:a@{}\\@10.0.0.1",
            "sip:a@{}%2510.0.0.1",
            "sip:a@{},sip:b@10.0.0.1",
            "sip:a@{}\r\nRoute: <sip:10.0.0.1>",
            "sip:a@{}\0",
            "sip:a@.{}",
            "sip:a@{}..",
            "sip:a@{}.",
            "sip:a@-{}:x",
        ] {
            targets.insert(trick.replace("{}", host));
        }
    }
    // Addresses in disguise, and trunks by their names and addresses.
    for host in [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "010.0.0.1",
        "10.0.0.01",
        "10.0.0.1.",
        "10.0.0.256",
        "10.0.0",
        "10.0.0.1.5",
        "\u{ff11}0.0.0.1",
        "①0.0.0.1",
        "10。0。0。1",
        "localhost\u{2024}x",
        "ⓔxample.com",
        "example.0x7f",
        "example.1",
        "::1",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:x",
        "[10.0.0.1]",
        "[fe80::1%eth0]",
        "[v1.a]",
        "[]",
        "a..b",
        "a_b.",
        "exa%6dple.com",
        "exa$mple.com",
        "198.51.100.7",
        "198.51.100.7:5060",
        "198.51.100.7:5070",
        "berlin.example",
        "BERLIN.example",
        "berlin.example:5099",
        "germany.example",
        "9.9.9.9",
    ] {
        targets.insert(format!("sip:+19005550100@{host}"));
    }
    targets.insert(format!("sip:{}@phones.example", "a".repeat(65)));
    targets.insert(format!("sip:a@{}.example", "a".repeat(64)));
    targets.insert(format!("sip:a@{}example", "a.".repeat(130)));
    targets
}

const PRIVATE_V4: [&str; 12] = [
    "127.0.0.1",
    "10.0.0.1",
    "10.255.255.255:5060",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.1.75",
    "192.0.2.1",
    "198.18.0.1",
];

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
