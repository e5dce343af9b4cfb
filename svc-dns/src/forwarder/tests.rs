mod cached;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name as PeerName, RecordType as PeerType},
};

use std::sync::Mutex;

use tokio::time::sleep;

use super::*;
use crate::{CacheConfig, Client, Outcome, Prefetch, Responder, Stale, Zone, fake::FakeUpstream};

/// The lookup that a question from a client becomes.
fn forward(name: &str) -> Forward {
    let mut message = Message::new(99, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(PeerName::from_ascii(name).unwrap(), PeerType::A));
    let zone = Zone::builder("cluster.local").build().unwrap();
    let responder = Responder::new(zone, &svc_model::Snapshot::default()).forwarding(true);
    let client = Client::tcp("127.0.0.1:4000".parse().unwrap());
    match responder.respond(&message.to_vec().unwrap(), client, &mut Vec::new()) {
        Outcome::Forward(forward) => *forward,
        other => panic!("{other:?}"),
    }
}

async fn resolve(forwarder: &Forwarder, name: &str) -> Message {
    let message = Message::from_vec(&forwarder.resolve(&forward(name)).await).unwrap();
    assert_eq!(message.metadata.id, 99);
    assert_eq!(message.metadata.message_type, MessageType::Response);
    message
}

#[test]
fn the_longest_stub_domain_counts() {
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.1")
        .stub("example", ["192.0.2.2"])
        .stub("Corp.Example", ["192.0.2.3", "192.0.2.4:5353"])
        .build()
        .unwrap();
    let servers = |name: &str| {
        forwarder.servers(&name.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(servers("www.example.com"), ["192.0.2.1:53"]);
    assert_eq!(servers("example"), ["192.0.2.2:53"]);
    assert_eq!(servers("www.EXAMPLE"), ["192.0.2.2:53"]);
    assert_eq!(servers("a.b.corp.example"), ["192.0.2.3:53", "192.0.2.4:5353"]);
    assert_eq!(servers("notcorp.example"), ["192.0.2.2:53"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_followed_by_the_next() {
    let silent = "192.0.2.1:53".parse().unwrap();
    let network = FakeUpstream::new().address("www.example.com", [192, 0, 2, 80]).silent(silent);
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.1")
        .upstream("192.0.2.2")
        .policy(Policy::Sequential)
        .network(network.clone())
        .build()
        .unwrap();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.answers.len(), 1);
    let asked: Vec<SocketAddr> = network.asked().iter().map(|asked| asked.server).collect();
    assert_eq!(asked, [silent, "192.0.2.2:53".parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn servers_that_stay_silent_are_a_failure_in_bounded_time() {
    let network = FakeUpstream::new().silent("192.0.2.1:53".parse().unwrap());
    let forwarder = Forwarder::builder().upstream("192.0.2.1").network(network).build().unwrap();
    let start = tokio::time::Instant::now();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    assert!(message.metadata.recursion_available);
    assert!(start.elapsed() <= Duration::from_secs(5));
}

#[tokio::test]
async fn what_a_server_says_is_relayed() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NXDOMAIN, Rcode::NOTIMP] {
        let network = FakeUpstream::new().failing(rcode);
        let forwarder = Forwarder::builder().upstream("192.0.2.1").network(network).build().unwrap();
        let message = resolve(&forwarder, "www.example.com.").await;
        assert_eq!(u16::from(message.metadata.response_code), rcode.number());
    }
}

#[tokio::test]
async fn a_name_that_no_server_is_responsible_for_is_refused() {
    let forwarder = Forwarder::builder()
        .stub("corp.example", ["192.0.2.1"])
        .network(FakeUpstream::new())
        .build()
        .unwrap();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn more_open_questions_than_allowed_are_refused() {
    let network = FakeUpstream::new().silent("192.0.2.1:53".parse().unwrap());
    let forwarder =
        Forwarder::builder().upstream("192.0.2.1").max_concurrent(1).network(network).build().unwrap();
    let (open, refused) = (forward("www.example.com."), resolve(&forwarder, "www.example.com."));
    tokio::select! {
        biased;
        _ = forwarder.resolve(&open) => panic!("nobody answers this"),
        message = refused => assert_eq!(message.metadata.response_code, ResponseCode::Refused),
    }
}

#[test]
fn ids_differ() {
    let forwarder = Forwarder::builder().upstream("192.0.2.1").build().unwrap();
    let ids: std::collections::BTreeSet<u16> = (0..1000).map(|_| forwarder.inner.random()).collect();
    assert!(ids.len() > 950, "{}", ids.len());
}

#[test]
fn a_forwarder_needs_servers_that_are_addresses() {
    let missing = Forwarder::builder().build().unwrap_err();
    assert_eq!(missing.to_string(), "upstream: name at least one server");
    let wrong = Forwarder::builder().upstream("dns.example.com").build().unwrap_err();
    assert!(wrong.to_string().contains("\"dns.example.com\""), "{wrong}");
}

/// What a scripted server does.
enum Does {
    Say(Vec<u8>),
    Nothing,
    Fail(io::ErrorKind),
    SayAfter(Duration, Vec<u8>),
}

type Script = dyn Fn(SocketAddr, Transport, &[u8]) -> Does + Send + Sync;

/// Servers that do what a test wants; remembers who was asked, how, and when.
#[derive(Clone)]
struct Scripted {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<(u8, Transport, Instant)>>>,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    fn new(script: impl Fn(SocketAddr, Transport, &[u8]) -> Does + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), asked: Arc::default() }
    }

    /// The last octets of the servers that were asked, and how.
    fn asked(&self) -> Vec<(u8, Transport)> {
        self.asked.lock().unwrap().iter().map(|(server, transport, _)| (*server, *transport)).collect()
    }

    fn servers(&self) -> Vec<u8> {
        self.asked().into_iter().map(|(server, _)| server).collect()
    }
}

fn last_octet(server: SocketAddr) -> u8 {
    match server.ip() {
        std::net::IpAddr::V4(v4) => v4.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    }
}

impl Exchange for Scripted {
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a> {
        self.asked.lock().unwrap().push((last_octet(server), transport, Instant::now()));
        let does = (self.script)(server, transport, query);
        Box::pin(async move {
            match does {
                Does::Say(reply) => Ok(reply),
                Does::Fail(kind) => Err(kind.into()),
                Does::Nothing => std::future::pending().await,
                Does::SayAfter(time, reply) => {
                    sleep(time).await;
                    Ok(reply)
                }
            }
        })
    }
}

/// One address for every name, for a minute.
fn say(query: &[u8], transport: Transport) -> Vec<u8> {
    let asked = crate::message::Query::parse(query).unwrap().question().spelling().to_string();
    FakeUpstream::new().address(&asked, [192, 0, 2, 80]).answer(query, transport).unwrap()
}

fn fail(query: &[u8], rcode: Rcode) -> Vec<u8> {
    FakeUpstream::new().failing(rcode).answer(query, Transport::Udp).unwrap()
}

fn by_udp(name: &str) -> Forward {
    let mut message = Message::new(99, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(PeerName::from_ascii(name).unwrap(), PeerType::A));
    let zone = Zone::builder("cluster.local").build().unwrap();
    let responder = Responder::new(zone, &svc_model::Snapshot::default()).forwarding(true);
    let client = Client::udp("127.0.0.1:4000".parse().unwrap());
    match responder.respond(&message.to_vec().unwrap(), client, &mut Vec::new()) {
        Outcome::Forward(forward) => *forward,
        other => panic!("{other:?}"),
    }
}

async fn answer(forwarder: &Forwarder, forward: &Forward) -> Message {
    Message::from_vec(&forwarder.resolve(forward).await).unwrap()
}

fn three(set: impl FnOnce(RouteBuilder) -> RouteBuilder, network: &Scripted) -> Forwarder {
    let servers = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    let route = servers.into_iter().fold(Route::builder("."), RouteBuilder::server);
    let route = set(route.policy(Policy::Sequential).network(network.clone()));
    Forwarder::builder().route(route).build().unwrap()
}

#[tokio::test]
async fn policies_choose_who_is_first() {
    for (policy, expected) in [(Policy::Sequential, vec![1; 6]), (Policy::RoundRobin, vec![1, 2, 3, 1, 2, 3])]
    {
        let network = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
        let forwarder = three(|route| route.policy(policy), &network);
        for _ in 0..6 {
            answer(&forwarder, &by_udp("www.example.")).await;
        }
        assert_eq!(network.servers(), expected, "{policy:?}");
    }
    let network = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
    let forwarder = three(|route| route.policy(Policy::Random), &network);
    for _ in 0..100 {
        answer(&forwarder, &by_udp("www.example.")).await;
    }
    let mut seen = network.servers();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2, 3]);
}

#[tokio::test]
async fn servers_are_asked_as_the_client_asked_unless_set_otherwise() {
    let cut = |query: &[u8], transport| {
        let mut reply = say(query, transport);
        if transport == Transport::Udp {
            reply[2] |= 0x02;
        }
        Does::Say(reply)
    };
    const UDP: Transport = Transport::Udp;
    const TCP: Transport = Transport::Tcp;
    let cases = [
        (Protocol::AsAsked, by_udp("a."), vec![UDP], true),
        (Protocol::AsAsked, forward("a."), vec![TCP], false),
        (Protocol::PreferUdp, by_udp("a."), vec![UDP, TCP], false),
        (Protocol::PreferUdp, forward("a."), vec![UDP, TCP], false),
        (Protocol::Tcp, by_udp("a."), vec![TCP], false),
    ];
    for (protocol, forward, expected, truncated) in cases {
        let network = Scripted::new(move |_, transport, query| cut(query, transport));
        let forwarder = three(|route| route.protocol(protocol), &network);
        let answer = answer(&forwarder, &forward).await;
        let transports: Vec<Transport> =
            network.asked().into_iter().map(|(_, transport)| transport).collect();
        assert_eq!((transports, answer.metadata.truncation), (expected, truncated), "{protocol:?}");
    }
}

#[tokio::test]
async fn codes_can_lead_to_the_next_server_and_the_last_reply_counts() {
    let network = Scripted::new(|server, transport, query| match last_octet(server) {
        1 => Does::Say(fail(query, Rcode::SERVFAIL)),
        2 => Does::Say(fail(query, Rcode::REFUSED)),
        _ => Does::Say(say(query, transport)),
    });
    let codes = [Rcode::SERVFAIL, Rcode::REFUSED];
    let forwarder = three(|route| route.failover(codes), &network);
    assert_eq!(answer(&forwarder, &by_udp("a.")).await.answers.len(), 1);
    assert_eq!(network.servers(), [1, 2, 3]);
    let network = Scripted::new(|server, _, query| {
        Does::Say(fail(query, if last_octet(server) == 3 { Rcode::REFUSED } else { Rcode::SERVFAIL }))
    });
    let forwarder = three(|route| route.failover(codes), &network);
    assert_eq!(answer(&forwarder, &by_udp("a.")).await.metadata.response_code, ResponseCode::Refused);
    assert_eq!(network.servers(), [1, 2, 3], "nobody is asked twice");
    // Without, a failure is what the server says.
    let forwarder = three(|route| route, &network);
    assert_eq!(answer(&forwarder, &by_udp("a.")).await.metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn codes_can_lead_to_the_next_route() {
    let network = Scripted::new(|server, transport, query| match last_octet(server) {
        3 => Does::Say(say(query, transport)),
        _ => Does::Say(fail(query, Rcode::NXDOMAIN)),
    });
    let route = |server: &str| Route::builder(".").server(server).next([Rcode::NXDOMAIN]);
    let builder = Forwarder::builder().network(network.clone());
    let all = builder.route(route("192.0.2.1")).route(route("192.0.2.2")).route(route("192.0.2.3"));
    assert_eq!(answer(&all.build().unwrap(), &by_udp("a.")).await.answers.len(), 1);
    assert_eq!(network.servers(), [1, 2, 3]);
}

#[tokio::test]
async fn domains_can_be_left_to_other_routes_or_refused() {
    let network = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
    let inner = Route::builder("example").server("192.0.2.1").except(&"open.example".parse().unwrap());
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.2")
        .route(inner)
        .route(Route::builder("closed.example"))
        .network(network.clone())
        .build()
        .unwrap();
    for name in ["a.example.", "a.open.example.", "a.closed.example."] {
        answer(&forwarder, &by_udp(name)).await;
    }
    assert_eq!(network.servers(), [1, 2]);
    assert!(forwarder.servers(&"x.closed.example".parse().unwrap()).is_empty());
}

#[tokio::test]
async fn a_reply_to_another_question_is_a_format_error() {
    let network = Scripted::new(|_, _, _| Does::Fail(io::ErrorKind::InvalidData));
    let forwarder = three(|route| route, &network);
    assert_eq!(answer(&forwarder, &by_udp("a.")).await.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(network.servers(), [1, 2, 3], "nobody is asked twice");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_probed_until_it_answers_and_passed_over_meanwhile() {
    let well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let network = Scripted::new(move |server, transport, query| {
        if last_octet(server) == 1 && !is_well.load(Ordering::Relaxed) {
            return Does::Fail(io::ErrorKind::ConnectionRefused);
        }
        let root = query[12] == 0;
        Does::Say(if root { fail(query, Rcode::REFUSED) } else { say(query, transport) })
    });
    let forwarder = three(|route| route, &network);
    let test = async {
        answer(&forwarder, &by_udp("a.")).await;
        assert_eq!(network.servers(), [1, 2]);
        // Two probes, half a second apart: it is down.
        while !forwarder.stats().upstreams[0].down {
            sleep(Duration::from_millis(10)).await;
        }
        let probes: Vec<Instant> =
            network.asked.lock().unwrap().iter().skip(2).map(|asked| asked.2).collect();
        assert_eq!(probes.len(), 2);
        assert_eq!((probes[1] - probes[0]).as_millis(), 500);
        answer(&forwarder, &by_udp("b.")).await;
        assert_eq!(network.servers().last(), Some(&2), "nobody waits for it");
        well.store(true, Ordering::Relaxed);
        while forwarder.stats().upstreams[0].down {
            sleep(Duration::from_millis(10)).await;
        }
        let before = network.servers().len();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(network.servers().len(), before, "a server that is well is not probed");
        answer(&forwarder, &by_udp("c.")).await;
        assert_eq!(network.servers().last(), Some(&1));
    };
    tokio::select! {
        () = forwarder.upkeep() => {}
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_are_down_somebody_is_asked_all_the_same_or_nobody() {
    for failfast in [false, true] {
        let network = Scripted::new(|_, _, _| Does::Fail(io::ErrorKind::ConnectionRefused));
        let forwarder = three(|route| route.failfast(failfast), &network);
        let test = async {
            answer(&forwarder, &by_udp("a.")).await;
            while !forwarder.stats().upstreams.iter().all(|server| server.down) {
                sleep(Duration::from_millis(10)).await;
            }
            let before = forwarder.stats().broken;
            network.asked.lock().unwrap().clear();
            let answer = answer(&forwarder, &by_udp("b.")).await;
            assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
            assert_eq!(forwarder.stats().broken, before + 1);
            assert_eq!(network.servers().is_empty(), failfast);
        };
        tokio::select! {
            () = forwarder.upkeep() => {}
            () = test => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn never_down_without_max_fails() {
    let network = Scripted::new(|_, _, _| Does::Fail(io::ErrorKind::ConnectionRefused));
    let forwarder = three(|route| route.max_fails(0), &network);
    let test = async {
        answer(&forwarder, &by_udp("a.")).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(network.servers(), [1, 2, 3, 1, 2, 3]);
        assert!(!forwarder.stats().upstreams[0].down);
    };
    tokio::select! {
        () = forwarder.upkeep() => {}
        () = test => {}
    }
}

#[tokio::test]
async fn spelling_at_random_finds_forged_replies() {
    let honest = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
    let name = "a-name-with-letters-enough.example.";
    let ask = |network: Scripted| {
        Forwarder::builder().upstream("192.0.2.1").random_case(true).network(network).build().unwrap()
    };
    let message = answer(&ask(honest), &by_udp(name)).await;
    assert_eq!((message.answers.len(), message.queries[0].name().to_ascii().as_str()), (1, name));
    let forger = Scripted::new(|_, transport, query| {
        let mut reply = say(query, transport);
        reply[12..12 + 34].make_ascii_lowercase();
        Does::Say(reply)
    });
    let message = answer(&ask(forger), &by_udp(name)).await;
    assert_eq!(message.metadata.response_code, ResponseCode::FormErr);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_us_stops_the_forwarding() {
    let probe = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&probe);
    let network = Scripted::new(move |_, transport, query| {
        let question = crate::message::Query::parse(query).unwrap();
        if question.question().kind() == crate::message::RecordType::HINFO {
            *heard.lock().unwrap() = Some(question.question().spelling().to_string());
            return Does::Nothing;
        }
        Does::Say(say(query, transport))
    });
    let forwarder =
        Forwarder::builder().upstream("192.0.2.1").detect_loops(true).network(network).build().unwrap();
    let test = async {
        assert_eq!(answer(&forwarder, &by_udp("a.")).await.answers.len(), 1);
        let name = loop {
            if let Some(name) = probe.lock().unwrap().clone() {
                break name;
            }
            sleep(Duration::from_millis(1)).await;
        };
        let mut message = Message::new(99, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(PeerName::from_ascii(&name).unwrap(), PeerType::HINFO));
        let zone = Zone::builder("cluster.local").build().unwrap();
        let responder = Responder::new(zone, &svc_model::Snapshot::default()).forwarding(true);
        let client = Client::udp("127.0.0.1:4000".parse().unwrap());
        let Outcome::Forward(back) = responder.respond(&message.to_vec().unwrap(), client, &mut Vec::new())
        else {
            panic!()
        };
        assert_eq!(answer(&forwarder, &back).await.metadata.response_code, ResponseCode::ServFail);
        assert!(forwarder.has_loop());
        assert_eq!(answer(&forwarder, &by_udp("a.")).await.metadata.response_code, ResponseCode::ServFail);
    };
    tokio::select! {
        () = forwarder.upkeep() => {}
        () = test => {}
    }
}
