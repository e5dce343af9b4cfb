//! An API server of a cluster, as far as it is asked: lists and watches of whatever it was given.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;

use serde_json::{Value, json};

/// It goes with the test's process.
pub(crate) struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    version: u64,
    /// By resource, namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    events: Vec<(u64, String, Value)>,
}

impl ApiServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that goes away ends its connection.
                spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n\
             clusters: [{{name: test, cluster: {{server: 'http://{}'}}}}]\nusers: [{{name: test, user: {{}}}}]\n",
            self.address
        )
    }

    /// Writes an object, `namespace/name` or `name`.
    pub(crate) fn set(&self, resource: &str, name: &str, mut object: Value) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let mut state = self.shared.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(namespace);
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let kind = if state.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        state.events.push((version, resource.to_owned(), json!({"type": kind, "object": object})));
        state.objects.insert(key, object);
        self.shared.changed.notify_all();
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next() {
        let first = first?;
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let target = first.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let of_namespace =
            parts.iter().position(|part| *part == "namespaces").filter(|at| at + 2 < parts.len());
        let asked = Asked {
            resource: parts.last().copied().unwrap_or_default(),
            namespace: of_namespace.map(|at| parts[at + 1]),
            name: parameter(query, "fieldSelector")
                .map(|value| value.rsplit(['=', 'D']).next().unwrap_or(value)),
        };
        let mut writer = stream;
        match parameter(query, "watch") {
            Some(_) => {
                let from = parameter(query, "resourceVersion").and_then(|text| text.parse().ok());
                return watch(&mut writer, shared, &asked, from.unwrap_or_default());
            }
            None => list(&mut writer, shared, &asked)?,
        }
    }
    Ok(())
}

struct Asked<'a> {
    resource: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl Asked<'_> {
    fn covers(&self, resource: &str, namespace: &str, name: &str) -> bool {
        resource == self.resource
            && self.namespace.is_none_or(|only| only == namespace)
            && self.name.is_none_or(|only| only == name)
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name).map(|(_, v)| v)
}

fn list(writer: &mut impl Write, shared: &Shared, asked: &Asked<'_>) -> std::io::Result<()> {
    let body = {
        let state = shared.state.lock().unwrap();
        let covered = state.objects.iter().filter(|((r, ns, name), _)| asked.covers(r, ns, name));
        let items: Vec<&Value> = covered.map(|(_, object)| object).collect();
        json!({"kind": "List", "metadata": {"resourceVersion": state.version.to_string()}, "items": items})
            .to_string()
    };
    write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn watch(writer: &mut impl Write, shared: &Shared, asked: &Asked<'_>, mut seen: u64) -> std::io::Result<()> {
    write!(writer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut state = shared.state.lock().unwrap();
    loop {
        let new = state.events.iter().filter(|(version, resource, event)| {
            let text = |key: &str| event["object"]["metadata"][key].as_str().unwrap_or_default();
            *version > seen && asked.covers(resource, text("namespace"), text("name"))
        });
        for line in new.map(|(_, _, event)| format!("{event}\n")) {
            write!(writer, "{:x}\r\n{line}\r\n", line.len())?;
        }
        seen = state.version;
        state = shared.changed.wait(state).unwrap();
    }
}
