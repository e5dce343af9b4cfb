//! Our router beside nginx and haproxy: the same requests to the same backend, one core each, one after another in every
//! round.
//!
//! `cargo xtask bench ingress-peers [ROUNDS]`. The router runs on core 0, the load (wrk, h2load) and the backend on core 1, all
//! on loopback. The figure to compare is the processor time of the router's processes; requests per second say as much about the
//! core that the load has.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures"
)]

mod backend;
mod load;
mod routers;

use std::{error::Error, fs, path::Path};

use load::{Case, Figures};
use svc_ingress::config::Clients;
use svc_ingress::{IngressConfig, Server};
use svc_model::store::Store;

type Failure = Box<dyn Error>;

const CASES: [Case; 5] = [
    Case { name: "HTTP/1.1", hosts: 1, unit: "s/100k", load: load::plain },
    Case {
        name: "HTTP/1.1, 1 000 hosts x 3 paths",
        hosts: 1000,
        unit: "s/100k",
        load: load::plain_last_host,
    },
    Case { name: "HTTPS over HTTP/1.1", hosts: 1, unit: "s/100k", load: load::tls },
    Case { name: "HTTPS over HTTP/2", hosts: 1, unit: "s/100k", load: load::http2 },
    Case { name: "10 MiB bodies", hosts: 1, unit: "s/GB", load: load::large },
];

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        // Cargo says that it is a bench, and under `cargo test` nothing.
        [ref rest @ .., "--bench"] => compare(rest.first().map_or(Ok(3), |rounds| rounds.parse())?),
        ["serve", manifest] => serve(Path::new(manifest)),
        ["backend"] => backend::serve(),
        _ => Ok(()),
    }
}

/// Our own router, with one worker, for the objects of a file.
fn serve(manifest: &Path) -> Result<(), Failure> {
    let (objects, problems) = svc_model::yaml::read(&fs::read_to_string(manifest)?).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let store = Store::new();
    store.apply(objects);
    let clients = Clients::default().with_keep_alive_requests(0);
    let config = IngressConfig::builder().clients(clients).build()?;
    let server = Server::builder().http(routers::HTTP).https(routers::HTTPS).metrics("127.0.0.1:0");
    let server = server.config(config).build()?;
    let (_handle, run) = server.drive(store.watch());
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run)?;
    Ok(())
}

fn compare(rounds: usize) -> Result<(), Failure> {
    let directory = std::env::temp_dir().join(format!("ingress-peers-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let _backend = routers::backend()?;
    println!(
        "| case | router | CPU | x nginx | user share | per s | RssAnon MB |\n|---|---|---|---|---|---|---|"
    );
    for case in CASES {
        let routers = routers::write(&directory, case.hosts)?;
        let mut results: Vec<Vec<Figures>> = vec![Vec::new(); routers.len()];
        for round in 0..rounds {
            for place in 0..routers.len() {
                let which = (round + place) % routers.len();
                let running = routers::start(&routers[which])?;
                results[which].push(load::measure(&running, &case)?);
            }
        }
        show(&case, &routers, &mut results);
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// The middle one of the rounds; the ratio is that within a round.
fn show(case: &Case, routers: &[routers::Router], results: &mut [Vec<Figures>]) {
    let nginx = routers.iter().position(|router| router.name == "nginx");
    let base: Vec<f64> =
        nginx.map(|at| results[at].iter().map(|figures| figures.cpu).collect()).unwrap_or_default();
    for (router, results) in routers.iter().zip(results) {
        let mut ratios: Vec<f64> =
            results.iter().zip(&base).map(|(figures, base)| figures.cpu / base).collect();
        ratios.sort_by(f64::total_cmp);
        results.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
        let (Some(middle), low, high) = (results.get(results.len() / 2), results.first(), results.last())
        else {
            continue;
        };
        let range = |figures: Option<&Figures>| figures.map_or(0.0, |figures| figures.cpu);
        println!(
            "| {} | {} | {:.2} {} ({:.2}-{:.2}) | {:.2} | {:.0} % | {:.0} | {:.1} |",
            case.name,
            router.name,
            middle.cpu,
            case.unit,
            range(low),
            range(high),
            ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
            middle.user * 100.0,
            middle.rate,
            middle.resident,
        );
    }
}
