//! Route tables of any objects.

use svc_ingress::{IngressConfig, Mode, RouteTable};
use svc_model::{Snapshot, yaml};

/// Builds a table of the objects after the first line, which says what is asked for.
///
/// # Panics
/// If the table depends on the way by which it came about.
pub fn check(text: &str) {
    let (asked, manifests) = text.split_once('\n').unwrap_or((text, ""));
    let (host, path) = asked.split_once(' ').unwrap_or((asked, "/"));
    let objects = yaml::read(manifests).stored().0;
    let half = objects.len() / 2;
    for mode in [Mode::Nginx, Mode::Strict] {
        let config = IngressConfig::builder().mode(mode).build().expect("a configuration");
        let empty = Snapshot::default();
        let (before, first) = empty.with(objects[..half].to_vec(), []);
        let (after, second) = before.with(objects[half..].to_vec(), []);
        let grown = RouteTable::new(&empty, &config).update(&before, &first).update(&after, &second);
        let made = RouteTable::new(&after, &config);
        let lines = |table: &RouteTable| table.locations().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(lines(&grown), lines(&made));
        let route = |table: &RouteTable| {
            table.route(host, path).map(|route| (route.to_string(), route.target().map(str::to_owned)))
        };
        assert_eq!(route(&grown), route(&made));
        let _certificate = made.certificate(Some(host));
    }
}
