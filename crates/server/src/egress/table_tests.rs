//! Every way in which a place on this machine or in a private network can be spelt, held against
//! every way in which the bridge can be sent somewhere, with a server at those places that is never
//! to be reached.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Hosts that stand for places where the bridge has no business; names are the scripted resolver's.
const HOSTS: [&str; 132] = [
    // Loopback: dotted, shortened, decimal, hexadecimal, octal, mixed.
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "127.1.1",
    "2130706433",
    "2130706434",
    "0x7f000001",
    "0X7F000001",
    "0x7F.0x0.0x0.0x1",
    "0x7f.1",
    "0x7f.0.1",
    "0x07f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.0x0.0.1",
    "00000177.0.0.1",
    "127.0.0.0x1",
    "127.0x000001",
    "127.0.0.1.",
    "0x7f.1.",
    // Digits and dots of other scripts.
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "𝟏𝟐𝟕.𝟎.𝟎.𝟏",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "%31%32%37.0.0.1",
    "127%2E0%2E0%2E1",
    "0%787f000001",
    // This machine by name.
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "a.localhost",
    "a.b.localhost.",
    "ｌｏｃａｌｈｏｓｔ",
    "loc%61lhost",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    // Any address of this machine.
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.1.2.3",
    "0.255.255.255",
    // Private networks, and those of providers.
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "0xa000001",
    "012.0.0.1",
    "10.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "172.16.0.1",
    "172.17.0.1",
    "172.31.255.255",
    "0xac100001",
    "192.168.0.1",
    "192.168.255.255",
    "192.168.257",
    "3232235521",
    "0300.0250.0.1",
    // Link-local, where clouds keep their secrets.
    "169.254.169.254",
    "169.254.170.2",
    "169.254.43518",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "0251.254.169.254",
    "169.16689662",
    "１６９.２５４.１６９.２５４",
    // Set aside for something else.
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "224.0.0.251",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    // IPv6: this machine, and everything that is not public.
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0001]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fdff:ffff::1]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[100::1]",
    "[2001:db8::1]",
    "[2001::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[3fff::1]",
    "[4000::1]",
    "[5f00::1]",
    // IPv4 inside IPv6: compatible, mapped, translated, NAT64, 6to4.
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:0.0.0.0]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2002:c0a8:1::1]",
    // Names of other people that stand for such places.
    "loopback.example",
    "LOOPBACK.example.",
    "loopback6.example",
    "mapped.example",
    "metadata.example",
    "mixed.example",
];

/// URLs that look as if they led elsewhere; `{port}` is the canary's.
const TRICKS: [&str; 22] = [
    "http://public.example@127.0.0.1:{port}/",
    "http://public.example:80@127.0.0.1:{port}/",
    "http://public.example%2f@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://127.0.0.1:{port}?@public.example/",
    "http://127.0.0.1:{port}/@public.example/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http://127.0.0.\t1:{port}/",
    "http://:@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://user:secret@loopback.example:{port}/",
    "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:{port}/../..//public.example",
    "http:////127.0.0.1:{port}/",
    "http:/\\127.0.0.1:{port}/",
    "hTTp://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "https://loopback.example:{port}/",
    "ws://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "unix://127.0.0.1:{port}/",
];

#[tokio::test]
async fn nothing_leads_to_a_place_that_is_not_open() {
    let canary = Canary::start("[::]").await;
    let referrer = Referrer::start().await;
    let hosts = HOSTS.iter().map(|host| format!("http://{host}:{{port}}/"));
    let tricks = TRICKS.iter().map(|trick| (*trick).to_owned());
    let port = canary.port.to_string();
    let urls: Vec<String> = hosts
        .chain(tricks)
        .map(|url| url.replace("{port}", &port))
        .collect();
    assert!(urls.len() >= 120);
    let egress = egress_that_opens(&[referrer.address.to_string()], canary.port);
    let mut asked = 0;
    for (n, url) in urls.iter().enumerate() {
        // A notification, and a question for a script.
        let posted = egress.post_json(url, &[], b"{}".to_vec(), SECOND).await;
        assert_refused(url, "post", &posted);
        // Wait music, and a sound to be played.
        let got = egress.get_audio(url, None, 1_000).await;
        assert_refused(url, "get", &got);
        // Either of them at a place that is open and says that the answer is elsewhere.
        referrer.send_to(url);
        let via = format!("http://{}/{n}", referrer.address);
        let got = egress.get_audio(&via, None, 1_000).await;
        let joined = Url::parse(&via).unwrap().join(url);
        if joined.is_ok_and(|joined| joined.host_str() != Some("127.0.0.2")) {
            assert_refused(url, "redirected get", &got);
        }
        let posted = egress.post_json(&via, &[], b"{}".to_vec(), SECOND).await;
        assert_eq!(posted.unwrap().status, 307, "{url}");
        asked += 4;
    }
    for host in HOSTS {
        for host in [host, host.trim_matches(['[', ']'])] {
            for port in [5060, 5061, canary.port] {
                let resolved = egress.resolve_sip(host, port).await;
                assert_refused(host, "sip", &resolved);
                asked += 1;
            }
        }
    }
    assert!(asked >= 5 * 120);
    assert_eq!(canary.hits(), 0);

    // The canary sings: where this machine is open, the same requests reach it.
    let open = Policy::new(&[], true).unwrap();
    let open = Egress::with_names(open, patience(), Names::System).unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    open.get_audio(&url, None, 1_000).await.unwrap();
    open.post_json(&url, &[], b"{}".to_vec(), SECOND)
        .await
        .unwrap();
    assert_eq!(canary.hits(), 2);
}

#[tokio::test]
async fn a_name_that_changes_its_address_leads_only_to_the_one_that_was_judged() {
    let open_place = Canary::start("127.0.0.2").await;
    let canary = Canary::start_at(&format!("127.0.0.1:{}", open_place.port)).await;
    let lookups = Arc::new(AtomicUsize::new(0));
    // Open the first time, closed the next, and so on.
    let counted = Arc::clone(&lookups);
    let names = Names::Scripted(Arc::new(move |_| {
        let is_first = counted.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        vec![address(if is_first { "127.0.0.2" } else { "127.0.0.1" })]
    }));
    let policy = Policy::new(&["127.0.0.2/32".to_owned()], false).unwrap();
    let policy = policy.elsewhere(&[open_place.port], &[]);
    let egress = Egress::with_names(policy, patience(), names).unwrap();
    let url = format!("http://rebind.example:{}/", open_place.port);
    for round in 1..=3 {
        egress.get_audio(&url, None, 1_000).await.unwrap();
        assert_eq!(lookups.load(Ordering::SeqCst), 4 * round - 3, "once each");
        let refused = egress.get_audio(&url, None, 1_000).await;
        assert_refused(&url, "get", &refused);
        let answered = egress.resolve_sip("rebind.example", 5060).await.unwrap();
        assert_eq!(answered, SocketAddr::new(address("127.0.0.2"), 5060));
        let refused = egress.resolve_sip("rebind.example", 5060).await;
        assert_refused("rebind.example", "sip", &refused);
        assert_eq!(lookups.load(Ordering::SeqCst), 4 * round);
    }
    assert_eq!((open_place.hits(), canary.hits()), (3, 0));
}

#[tokio::test]
async fn a_public_address_of_this_machine_is_not_open_in_any_spelling() {
    let policy = Policy::new(&[], false).unwrap();
    let policy = policy.elsewhere(&[], &[address("8.8.4.4"), address("2606:4700::1234")]);
    for host in [
        "8.8.4.4",
        "134743044",
        "[::ffff:8.8.4.4]",
        "[64:ff9b::8.8.4.4]",
        "[2002:808:404::1]",
        "[2606:4700::1234]",
        "[2606:4700:0:0::1234]",
    ] {
        assert!(policy.judge(&format!("http://{host}/")).is_err(), "{host}");
        assert!(policy.judge_sip(host, 5060).is_err(), "{host}");
    }
    assert!(policy.judge("http://8.8.8.8/").is_ok());
}

#[tokio::test]
async fn a_sip_uri_leads_to_the_address_that_was_judged() {
    let egress = egress_that_opens(&["10.1.0.0/16".to_owned(), "pbx.lan".to_owned()], 8_080);
    let open = [
        ("8.8.8.8", 5060, "8.8.8.8:5060"),
        ("134744072", 5061, "8.8.8.8:5061"),
        ("2606:4700::1111", 5060, "[2606:4700::1111]:5060"),
        ("[2606:4700::1111]", 5060, "[2606:4700::1111]:5060"),
        ("phones.example", 5060, "8.8.8.8:5060"),
        ("PHONES.example.", 5080, "8.8.8.8:5080"),
        // What the operator opened is open at every port.
        ("10.1.2.3", 9_999, "10.1.2.3:9999"),
        ("pbx.lan", 25, "10.9.9.9:25"),
    ];
    for (host, port, place) in open {
        let resolved = egress.resolve_sip(host, port).await;
        assert_eq!(resolved.unwrap().to_string(), place, "{host}");
    }
    let refused = [
        ("8.8.8.8", 25),
        ("8.8.8.8", 80),
        ("8.8.8.8", 0),
        ("phones.example", 6_379),
        ("", 5060),
        (".", 5060),
        ("a b", 5060),
        ("user@phones.example", 5060),
        ("phones.example:5060", 5060),
        ("phones.example;transport=tcp", 5060),
        ("phones.example/x", 5060),
        ("phones.example?x", 5060),
        ("phones.example#x", 5060),
        ("fe80::1%eth0", 5060),
        ("[fe80::1%25eth0]", 5060),
        ("999.1.1.1", 5060),
        ("10.2.0.1", 5060),
        ("x.pbx.lan.\u{0}", 5060),
    ];
    for (host, port) in refused {
        let resolved = egress.resolve_sip(host, port).await;
        assert_refused(host, "sip", &resolved);
    }
    let long = "a.".repeat(200);
    assert_refused("a.a.a", "sip", &egress.resolve_sip(&long, 5060).await);
    let unknown = egress.resolve_sip("nowhere.example", 5060).await;
    assert!(
        matches!(unknown, Err(EgressError::Unreachable { .. })),
        "{unknown:?}"
    );
}

const SECOND: Duration = Duration::from_secs(1);

fn patience() -> Patience {
    Patience {
        connect: SECOND,
        first_byte: SECOND,
        fetch: 5 * SECOND,
        window: SECOND,
    }
}

/// A client under the default policy, for which the canary's port is a usual one.
fn egress_that_opens(allow: &[String], port: u16) -> Egress {
    let policy = Policy::new(allow, false).unwrap().elsewhere(&[port], &[]);
    Egress::with_names(policy, patience(), Names::Scripted(Arc::new(scripted))).unwrap()
}

/// What the names of these tests stand for.
fn scripted(name: &str) -> Vec<IpAddr> {
    let addresses: &[&str] = match name.trim_end_matches('.').to_lowercase().as_str() {
        "loopback.example" => &["127.0.0.1"],
        "loopback6.example" => &["::1"],
        "mapped.example" => &["::ffff:127.0.0.1"],
        "metadata.example" => &["169.254.169.254"],
        "mixed.example" => &["8.8.8.8", "127.0.0.1"],
        // Only asked for, never gone to: these tests stay on this machine.
        "phones.example" => &["2606:4700::1111", "8.8.8.8"],
        "pbx.lan" => &["10.9.9.9"],
        _ => &[],
    };
    addresses.iter().map(|text| address(text)).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(place: &str, how: &str, outcome: &Result<T, EgressError>) {
    let is_refused = outcome
        .as_ref()
        .is_err_and(EgressError::is_refused_by_policy);
    assert!(is_refused, "{how} {place}: {outcome:?}");
}

/// A server that counts who reaches it.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Canary {
    /// At every address of this machine for `[::]`, at one of them otherwise.
    async fn start(host: &str) -> Canary {
        Canary::start_at(&format!("{host}:0")).await
    }

    async fn start_at(place: &str) -> Canary {
        let listener = TcpListener::bind(place).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        let task = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                answer(&mut connection, "200 OK\r\nContent-Length: 1\r\n\r\nx").await;
            }
        });
        Canary { port, hits, task }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server at a place that is open, which says that everything is elsewhere.
struct Referrer {
    address: SocketAddr,
    location: Arc<Mutex<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Referrer {
    async fn start() -> Referrer {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let location = Arc::new(Mutex::new(String::new()));
        let current = Arc::clone(&location);
        let task = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let location = current.lock().unwrap().clone();
                let head = format!("307 Elsewhere\r\nLocation: {location}\r\n");
                answer(&mut connection, &format!("{head}Content-Length: 0\r\n\r\n")).await;
            }
        });
        Referrer {
            address,
            location,
            task,
        }
    }

    fn send_to(&self, location: &str) {
        location.clone_into(&mut self.location.lock().unwrap());
    }
}

impl Drop for Referrer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request as far as it comes in one piece, answers it and closes.
async fn answer(connection: &mut TcpStream, head: &str) {
    let mut request = [0; 4096];
    let _ = connection.read(&mut request).await;
    let text = format!("HTTP/1.1 {head}").replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let _ = connection.write_all(text.as_bytes()).await;
    // The client reads to the end before the connection is reset.
    let _ = connection.shutdown().await;
    let _ = connection.read(&mut request).await;
}
