//! What svc-proxy keeps on the heap, and how much it takes at most while it loads everything into a real kernel:
//! counted by dhat, allocation by allocation. Prints a table; `cargo xtask bench proxy/memory` runs it. With a number of
//! Services and `--profile` it writes `dhat-heap.json`, which says where it all comes from.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it starts itself anew for each size"
)]

#[path = "proxy_kernel/cluster.rs"]
#[allow(dead_code, reason = "the other benches use all of it")]
mod cluster;

use svc_model::store::Store;
use svc_proxy::Proxy;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const NAME: &str = "proxy/memory";
const SIZES: [usize; 4] = [10, 1_000, 10_000, 30_000];
const COMMAND: &str = "heap-of";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let [command, services] = filters[..]
        && command == COMMAND
    {
        let whole = arguments.iter().any(|argument| argument == "--profile");
        return measure(services.parse().expect("a number of Services"), whole);
    }
    if !filters.is_empty() && !filters.iter().any(|filter| NAME.contains(filter.as_str())) {
        return;
    }
    println!("| Services x 2 | objects | proxy, after the load | proxy, most | a Service |");
    println!("|--:|--:|--:|--:|--:|");
    for services in SIZES {
        let program = std::env::current_exe().expect("this program");
        let mut child = std::process::Command::new(program);
        let child = child.args([COMMAND, &services.to_string()]).stderr(std::process::Stdio::inherit());
        print!("{}", String::from_utf8_lossy(&child.output().expect("this program runs").stdout));
    }
}

/// A store of so many Services, and a proxy that puts them into a kernel of its own.
fn measure(services: usize, whole: bool) {
    svc_lab::enter();
    svc_lab::run(move |lab| async move {
        let host = lab.pod("node1").await?;
        let _profiler = match whole {
            true => dhat::Profiler::builder().build(),
            false => dhat::Profiler::builder().testing().trim_backtraces(Some(1)).build(),
        };
        let store = Store::new();
        for number in 0..services {
            store.apply(cluster::objects(number));
        }
        let objects = dhat::HeapStats::get().curr_bytes;
        let (handle, run) = Proxy::builder(cluster::node()).build().drive(store.watch());
        let driver = host.spawn(move || run);
        handle.programmed(store.snapshot().revision()).await?;
        let loaded = dhat::HeapStats::get();
        let (kept, most) =
            (loaded.curr_bytes.saturating_sub(objects), loaded.max_bytes.saturating_sub(objects));
        println!(
            "| {services} | {} | {} | {} | {} B |",
            mb(objects),
            mb(kept),
            mb(most),
            kept / services.max(1)
        );
        drop(driver);
        Ok(())
    });
}

fn mb(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
