//! With a cache in front.

use super::*;

fn cached(network: &Scripted, config: crate::CacheConfigBuilder) -> Forwarder {
    let cache = Cache::new(config.build().unwrap());
    Forwarder::builder().upstream("192.0.2.1").cache(cache).network(network.clone()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_said_again_with_the_time_that_is_left() {
    let network = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
    let forwarder = cached(&network, CacheConfig::builder().max_ttl(Duration::from_secs(30)));
    let first = answer(&forwarder, &by_udp("www.example.")).await;
    assert_eq!((first.answers[0].ttl, first.metadata.authoritative), (30, false));
    sleep(Duration::from_secs(10)).await;
    let second = answer(&forwarder, &by_udp("WWW.example.")).await;
    assert_eq!((second.answers[0].ttl, second.metadata.authoritative), (20, true));
    assert_eq!(second.queries[0].name().to_ascii(), "WWW.example.");
    assert!(second.metadata.recursion_desired && second.metadata.recursion_available);
    assert_eq!(network.servers().len(), 1);
    sleep(Duration::from_secs(20)).await;
    answer(&forwarder, &by_udp("www.example.")).await;
    assert_eq!(network.servers().len(), 2);
}

#[tokio::test]
async fn what_was_found_authentic_is_told_from_the_cache_to_those_who_want_to_know() {
    let network = Scripted::new(|_, transport, query| {
        let mut reply = say(query, transport);
        reply[3] |= 0x20;
        Does::Say(reply)
    });
    let forwarder = cached(&network, CacheConfig::builder());
    let ask = |ad: bool, dnssec_ok: bool| {
        let mut query = by_udp("www.example.").query(7);
        query[3] |= if ad { 0x20 } else { 0 };
        query[11] = 1;
        query.extend([0, 0, 41, 4, 208, 0, 0, if dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        let zone = Zone::builder("cluster.local").build().unwrap();
        let responder = Responder::new(zone, &svc_model::Snapshot::default()).forwarding(true);
        match responder.respond(&query, Client::udp("127.0.0.1:4000".parse().unwrap()), &mut Vec::new()) {
            Outcome::Forward(forward) => forward,
            other => panic!("{other:?}"),
        }
    };
    for dnssec_ok in [false, true] {
        answer(&forwarder, &ask(false, dnssec_ok)).await;
    }
    for (ad, dnssec_ok, told) in [(false, false, false), (true, false, true), (false, true, true)] {
        let message = answer(&forwarder, &ask(ad, dnssec_ok)).await;
        assert_eq!(message.metadata.authentic_data, told, "AD {ad} DO {dnssec_ok}");
        assert!(message.edns.is_some(), "OPT of our own");
    }
    assert_eq!(network.servers().len(), 2, "DO is another entry");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_many_have_goes_out_once() {
    let network =
        Scripted::new(|_, transport, query| Does::SayAfter(Duration::from_secs(1), say(query, transport)));
    let forwarder = cached(&network, CacheConfig::builder());
    let questions: Vec<Forward> = (0..100).map(|_| by_udp("www.example.")).collect();
    let answers =
        futures_util::future::join_all(questions.iter().map(|forward| answer(&forwarder, forward))).await;
    assert!(answers.iter().all(|answer| answer.answers.len() == 1));
    assert_eq!(network.servers().len(), 1);
    assert_eq!(forwarder.inner.flights.len(), 0);
    // Without a cache, too; and who gives up does not leave anything behind.
    let forwarder = three(|route| route, &network);
    let (one, two) = (by_udp("other.example."), by_udp("other.example."));
    tokio::select! {
        _ = answer(&forwarder, &one) => panic!("too early"),
        () = sleep(Duration::from_millis(10)) => {}
    }
    assert_eq!(forwarder.inner.flights.len(), 0);
    answer(&forwarder, &two).await;
}

#[tokio::test(start_paused = true)]
async fn when_servers_are_gone_what_was_known_is_said() {
    let gone = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let network = Scripted::new(move |_, transport, query| match is_gone.load(Ordering::Relaxed) {
        true => Does::Nothing,
        false => Does::Say(say(query, transport)),
    });
    for verify in [false, true] {
        gone.store(false, Ordering::Relaxed);
        let stale = Stale::default();
        let stale = if verify { stale.verify(Duration::from_millis(1800)) } else { stale };
        let forwarder = cached(&network, CacheConfig::builder().serve_stale(stale));
        let test = async {
            answer(&forwarder, &by_udp("www.example.")).await;
            gone.store(true, Ordering::Relaxed);
            sleep(Duration::from_secs(61)).await;
            let start = Instant::now();
            let answer = answer(&forwarder, &by_udp("www.example.")).await;
            assert_eq!((answer.answers.len(), answer.answers[0].ttl), (1, 30));
            assert_eq!(start.elapsed() >= Duration::from_millis(1800), verify);
            // It comes back: the next answer but one is fresh.
            sleep(Duration::from_secs(10)).await;
            gone.store(false, Ordering::Relaxed);
            sleep(Duration::from_secs(40)).await;
            drop(super::tests::answer(&forwarder, &by_udp("www.example.")).await);
            sleep(Duration::from_secs(1)).await;
            let fresh = super::tests::answer(&forwarder, &by_udp("www.example.")).await;
            assert!(fresh.answers[0].ttl > 55, "{verify} {}", fresh.answers[0].ttl);
        };
        tokio::select! {
            () = forwarder.upkeep() => {}
            () = test => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_many_ask_for_is_fetched_before_its_time_is_over() {
    let network = Scripted::new(|_, transport, query| Does::Say(say(query, transport)));
    let forwarder = cached(&network, CacheConfig::builder().prefetch(Prefetch::after(2)));
    let test = async {
        for _ in 0..7 {
            answer(&forwarder, &by_udp("www.example.")).await;
            sleep(Duration::from_secs(10) - Duration::from_millis(300)).await;
        }
        assert_eq!(network.servers().len(), 2);
        assert!(answer(&forwarder, &by_udp("www.example.")).await.answers[0].ttl > 45);
    };
    tokio::select! {
        () = forwarder.upkeep() => {}
        () = test => {}
    }
}
