//! What svc-overlay keeps on the heap, and how much it takes at most while it programs all peers into a real kernel: counted by
//! dhat, allocation by allocation. Prints a table: `cargo bench --package benches --bench overlay_memory`.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it starts itself anew for each size"
)]

use std::time::Duration;

use svc_overlay::{Lease, Leases, Mac, Overlay};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const NAME: &str = "overlay/memory";
const SIZES: [u16; 3] = [10, 1_000, 5_000];
const COMMAND: &str = "heap-of";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if let [command, peers] = filters[..]
        && command == COMMAND
    {
        return measure(peers.parse().expect("a number of peers"));
    }
    if !filters.is_empty() && !filters.iter().any(|filter| NAME.contains(filter.as_str())) {
        return;
    }
    println!("| peers | leases | overlay, after the load | overlay, most | a peer |");
    println!("|--:|--:|--:|--:|--:|");
    for peers in SIZES {
        let program = std::env::current_exe().expect("this program");
        let mut child = std::process::Command::new(program);
        let child = child.args([COMMAND, &peers.to_string()]).stderr(std::process::Stdio::inherit());
        print!("{}", String::from_utf8_lossy(&child.output().expect("this program runs").stdout));
    }
}

fn lease(number: u16) -> Lease {
    let [high, low] = number.to_be_bytes();
    let subnet = ipnet::Ipv4Net::new_assert([10, high, low, 0].into(), 24);
    let mac = Mac::new([2, 0, 0, 0, high, low]);
    Lease::vxlan(format!("n{number}"), subnet, [172, 21, high, low], 1, mac)
}

/// A registry of so many leases, and an overlay that programs them into a kernel of its own.
fn measure(peers: u16) {
    svc_lab::enter();
    svc_lab::run(move |lab| async move {
        let host = lab.host("server2").address("172.20.10.2/24").create().await?;
        let _profiler = dhat::Profiler::builder().testing().trim_backtraces(Some(1)).build();
        let leases = Leases::new();
        (0..peers).try_for_each(|number| leases.put(lease(number)).map(drop))?;
        let objects = dhat::HeapStats::get().curr_bytes;
        let overlay = Overlay::builder("10.0.0.0/8").node("server2").subnet("10.255.2.0/24");
        let overlay = overlay.public_ip("172.20.10.2").registry(leases.clone());
        let (handle, run) = overlay.reconcile_every(Duration::from_secs(86_400)).build()?.drive();
        let driver = host.spawn(move || run);
        handle.until(|status| status.lease().is_some() && status.peers() == usize::from(peers)).await?;
        // One more, so that everything of the first load is gone.
        handle.programmed(leases.put(lease(peers))?).await?;
        // What the kernel still has to say of the new device may make the overlay compare everything once more.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let loaded = dhat::HeapStats::get();
        let kept = loaded.curr_bytes.saturating_sub(objects);
        let most = loaded.max_bytes.saturating_sub(objects);
        let each = kept / usize::from(peers.max(1));
        println!("| {peers} | {} | {} | {} | {each} B |", mb(objects), mb(kept), mb(most));
        drop(driver);
        Ok(())
    });
}

fn mb(bytes: usize) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
