//! A Kubernetes API server of any kinds, over real sockets: it lists, watches, patches, forgets, refuses, breaks off and talks
//! nonsense, as a test asks of it. Feature `api-server`.
//!
//! It knows nothing of the objects but their metadata. What is not asked in Kubernetes' form ends the connection by a panic
//! of its task: here that is a fault of the client.
//!
//! ```
//! use serde_json::json;
//! use svc_lab::api_server::Server;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let server = Server::start(None).await;
//! server.set("nodes", "server2", json!({"spec": {"podCIDR": "10.244.2.0/24"}}));
//! assert_eq!(server.object("nodes", "server2").unwrap()["spec"]["podCIDR"], "10.244.2.0/24");
//! println!("{}", server.url()); // for the client
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(clippy::unwrap_used, reason = "a server for tests: what cannot be ends it")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A server on a port of loopback. Handles share it.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Changes whenever watchers have to look again.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    objects: BTreeMap<Key, (u64, Value)>,
    events: Vec<(u64, String, Value)>,
    /// Nothing older is remembered.
    compacted: u64,
    /// Watches that began before this number of the epoch are broken off.
    epoch: u64,
    requests: Vec<Asked>,
    faults: VecDeque<(&'static str, Fault)>,
    token: Option<String>,
    /// What may be listed and watched; everything where nothing is said.
    rules: Option<Vec<Rule>>,
    /// Resources that are served in one version of their group only.
    versions: BTreeMap<String, String>,
    /// Bytes of each piece that is written.
    piece: usize,
    /// How many connections there were.
    connections: usize,
    /// Connections are left open after an answer. Otherwise they are closed, without a word before.
    keeps_open: bool,
}

/// Who may do what: a line of a Role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by tests, with what they do not name left out")]
pub struct Rule {
    /// The group; empty for the core group.
    pub group: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// All that this server knows where none is named: `list`, `watch`, `patch`.
    pub verbs: Vec<String>,
    /// Everywhere where nothing is said.
    pub namespace: Option<String>,
    /// All of them where none is named.
    pub names: Vec<String>,
}

impl Rule {
    /// Whether a request is one that this rule allows.
    #[must_use]
    pub fn allows(&self, asked: &Asked) -> bool {
        let selected = asked.of("fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name="));
        let name = asked.name.as_deref().or(selected);
        self.group == asked.group
            && self.resource == asked.resource
            && (self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == asked.verb()))
            && (self.namespace.is_none() || self.namespace == asked.namespace)
            && (self.names.is_empty() || name.is_some_and(|name| self.names.iter().any(|only| only == name)))
    }
}

/// Resource, namespace, name.
type Key = (String, String, String);

/// What was asked, as RBAC and the log see it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// The group; empty for the core group.
    pub group: String,
    /// The version of the group.
    pub version: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// The namespace, where one was named.
    pub namespace: Option<String>,
    /// The one object that was named in the path.
    pub name: Option<String>,
    /// The parameters, decoded.
    pub query: BTreeMap<String, String>,
    /// The merge patch, of a patch.
    pub patch: Option<Value>,
    /// Whether that is one of Kubernetes' strategic kind, and not plain JSON's.
    pub strategic: bool,
}

/// What the next request for a resource is answered with instead.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A status with headers.
    Status(u16, &'static str),
    /// 200, and then this as the whole body.
    Body(Vec<u8>),
    /// The connection ends before an answer.
    Hangup,
}

impl Asked {
    /// Whether changes are asked for.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }

    /// The verb of RBAC.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Asked { patch: Some(_), .. } => "patch",
            asked if asked.is_watch() => "watch",
            _ => "list",
        }
    }

    /// A parameter.
    #[must_use]
    pub fn of(&self, parameter: &str) -> Option<&str> {
        self.query.get(parameter).map(String::as_str)
    }
}

impl Server {
    /// Listens on a free port, with TLS if that is given. Ends with the runtime.
    ///
    /// # Panics
    /// If loopback has no port.
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        Self::listen("127.0.0.1:0", tls).await
    }

    /// The same at an address of the network namespace in which it is called, such as that of a host of a lab.
    ///
    /// # Panics
    /// If the address cannot be had.
    pub async fn listen(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { version: 100, piece: usize::MAX, ..State::default() };
        let server = Self { address, state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(0) };
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.state().connections += 1;
                let (server, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => server.serve(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.serve(stream).await,
                            Err(error) => Err(error),
                        },
                    }
                });
            }
        });
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, without TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates or replaces an object, `name` or `namespace/name`; the metadata is filled in.
    ///
    /// # Panics
    /// If it is no JSON object.
    pub fn set(&self, resource: &str, name: &str, mut object: Value) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        let metadata = object.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
        metadata["name"] = json!(name);
        metadata["resourceVersion"] = json!(version.to_string());
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let what = if state.objects.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        state.events.push((version, resource.to_owned(), json!({"type": what, "object": object})));
        state.objects.insert(key, (version, object));
        drop(state);
        self.changed.send_modify(|number| *number += 1);
    }

    /// An object as it stands.
    #[must_use]
    pub fn object(&self, resource: &str, name: &str) -> Option<Value> {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        self.state().objects.get(&key).map(|(_, object)| object.clone())
    }

    /// Deletes an object.
    ///
    /// # Panics
    /// If there is none.
    pub fn delete(&self, resource: &str, name: &str) {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        let key = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let (_, mut object) = state.objects.remove(&key).unwrap();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        state.events.push((version, resource.to_owned(), json!({"type": "DELETED", "object": object})));
        drop(state);
        self.changed.send_modify(|number| *number += 1);
    }

    /// An event that no object stands for; the version counts on.
    pub fn send(&self, resource: &str, event: impl FnOnce(u64) -> Value) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        state.events.push((version, resource.to_owned(), event(version)));
        drop(state);
        self.changed.send_modify(|number| *number += 1);
    }

    /// Breaks off all watches.
    pub fn disconnect(&self) {
        self.state().epoch += 1;
        self.changed.send_modify(|number| *number += 1);
    }

    /// Forgets everything up to now: who wants to go on from before has to list again.
    pub fn compact(&self) {
        let mut state = self.state();
        state.version += 1;
        state.compacted = state.version;
        state.events.clear();
    }

    /// What the next request for a resource is answered with; several queue up.
    pub fn next(&self, resource: &'static str, fault: Fault) {
        self.state().faults.push_back((resource, fault));
    }

    /// Only what these rules allow is answered from now on; everything where nothing is said.
    pub fn allow(&self, rules: Option<Vec<Rule>>) {
        self.state().rules = rules;
    }

    /// The resource is served in this version of its group only; others are not found.
    pub fn serve_as(&self, resource: &str, version: &str) {
        self.state().versions.insert(resource.to_owned(), version.to_owned());
    }

    /// Only requests with this token are answered.
    pub fn expect_token(&self, token: &str) {
        self.state().token = Some(token.to_owned());
    }

    /// Leaves connections open after an answer.
    pub fn keep_open(&self) {
        self.state().keeps_open = true;
    }

    /// How many connections there were up to now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Writes answers in pieces of so many bytes.
    pub fn pieces_of(&self, bytes: usize) {
        self.state().piece = bytes;
    }

    /// Everything that was asked up to now.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.state().requests.clone()
    }

    /// Waits until somebody has asked for this.
    pub async fn asked_for(&self, what: impl Fn(&Asked) -> bool) {
        self.asked_times(1, what).await;
    }

    /// Waits until this was asked for so many times.
    pub async fn asked_times(&self, times: usize, what: impl Fn(&Asked) -> bool) {
        let mut changed = self.changed.subscribe();
        while self.asked().iter().filter(|asked| what(asked)).count() < times {
            changed.changed().await.unwrap();
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> std::io::Result<()> {
        self.serve_one(&mut stream).await?;
        while self.state().keeps_open {
            self.serve_one(&mut stream).await?;
        }
        Ok(())
    }

    async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut asked = parse(&head);
        if let Some((length, strategic)) = body_of(&head) {
            asked.strategic = strategic;
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            asked.patch = Some(serde_json::from_slice(&body).unwrap());
        }
        let refused = self.note(&asked, &head);
        self.changed.send_modify(|number| *number += 1);
        match refused {
            Some(Fault::Hangup) => Err(std::io::ErrorKind::ConnectionAborted.into()),
            Some(Fault::Body(body)) => {
                self.head(stream, 200, "").await?;
                self.write(stream, &body).await?;
                stream.write_all(b"0\r\n\r\n").await?;
                stream.flush().await
            }
            Some(Fault::Status(code, headers)) => self.refuse(stream, code, headers).await,
            None if asked.patch.is_some() => self.patch(stream, &asked).await,
            None if asked.is_watch() => self.watch(stream, &asked).await,
            None => self.list(stream, &asked).await,
        }
    }

    /// Logs the request, and says how it is refused, if it is.
    fn note(&self, asked: &Asked, head: &str) -> Option<Fault> {
        let mut state = self.state();
        state.requests.push(asked.clone());
        let right = state.token.as_ref().is_none_or(|token| {
            head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: bearer {token}")))
        });
        if !right {
            return Some(Fault::Status(401, ""));
        }
        if state.rules.as_ref().is_some_and(|rules| !rules.iter().any(|rule| rule.allows(asked))) {
            return Some(Fault::Status(403, ""));
        }
        if state.versions.get(&asked.resource).is_some_and(|version| *version != asked.version) {
            return Some(Fault::Status(404, ""));
        }
        let fault = state.faults.iter().position(|(resource, _)| *resource == asked.resource)?;
        state.faults.remove(fault).map(|(_, fault)| fault)
    }

    async fn head<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        code: u16,
        headers: &str,
    ) -> std::io::Result<()> {
        let head = format!("HTTP/1.1 {code} Whatever\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await
    }

    async fn write<S: AsyncWrite + Unpin>(&self, stream: &mut S, bytes: &[u8]) -> std::io::Result<()> {
        let piece = self.state().piece.min(bytes.len()).max(1);
        for piece in bytes.chunks(piece) {
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            stream.write_all(&[piece, b"\r\n"].concat()).await?;
            stream.flush().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn refuse<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        code: u16,
        headers: &str,
    ) -> std::io::Result<()> {
        self.head(stream, code, headers).await?;
        let status = json!({"kind": "Status", "code": code, "message": format!("the server said {code}")});
        self.write(stream, status.to_string().as_bytes()).await?;
        stream.write_all(b"0\r\n\r\n").await
    }

    async fn list<S: AsyncWrite + Unpin>(&self, stream: &mut S, asked: &Asked) -> std::io::Result<()> {
        let body = {
            let state = self.state();
            let (version, from) = match asked.of("continue").map(|token| token.split_once('@').unwrap()) {
                Some((version, from)) => (version.parse().unwrap(), from.parse().unwrap()),
                None => (state.version, 0),
            };
            (version >= state.compacted).then(|| state.page(asked, version, from))
        };
        match body {
            None => self.refuse(stream, 410, "").await,
            Some(body) => {
                self.head(stream, 200, "").await?;
                self.write(stream, body.to_string().as_bytes()).await?;
                stream.write_all(b"0\r\n\r\n").await
            }
        }
    }

    /// A subresource is a part of the object here: which fields it may change is not looked at.
    async fn patch<S: AsyncWrite + Unpin>(&self, stream: &mut S, asked: &Asked) -> std::io::Result<()> {
        let resource = asked.resource.split('/').next().unwrap();
        let name = asked.name.as_deref().unwrap();
        let name =
            asked.namespace.as_ref().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let (Some(mut object), Some(patch)) = (self.object(resource, &name), &asked.patch) else {
            return self.refuse(stream, 404, "").await;
        };
        merge(&mut object, patch, asked.strategic);
        self.set(resource, &name, object.clone());
        self.head(stream, 200, "").await?;
        self.write(stream, object.to_string().as_bytes()).await?;
        stream.write_all(b"0\r\n\r\n").await
    }

    async fn watch<S: AsyncWrite + Unpin>(&self, stream: &mut S, asked: &Asked) -> std::io::Result<()> {
        let mut seen: u64 = asked.of("resourceVersion").unwrap().parse().unwrap();
        let (epoch, compacted) = {
            let state = self.state();
            (state.epoch, state.compacted)
        };
        if seen < compacted {
            return self.refuse(stream, 410, "").await;
        }
        self.head(stream, 200, "").await?;
        let mut changed = self.changed.subscribe();
        loop {
            let (events, over) = {
                let state = self.state();
                (state.events_after(asked, seen), state.epoch != epoch)
            };
            for (version, event) in events {
                seen = version;
                self.write(stream, format!("{event}\n").as_bytes()).await?;
            }
            if over && self.state().keeps_open {
                return stream.write_all(b"0\r\n\r\n").await;
            }
            if over {
                return Ok(());
            }
            changed.changed().await.unwrap();
        }
    }
}

impl State {
    fn page(&self, asked: &Asked, version: u64, from: usize) -> Value {
        let limit: usize = asked.of("limit").unwrap().parse().unwrap();
        let all: Vec<&Value> =
            self.objects.iter().filter(|(key, _)| asked.covers(key)).map(|(_, (_, object))| object).collect();
        let items: Vec<_> = all.iter().skip(from).take(limit).collect();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if from + items.len() < all.len() {
            metadata["continue"] = json!(format!("{version}@{}", from + items.len()));
        }
        json!({"kind": "List", "metadata": metadata, "items": items})
    }

    fn events_after(&self, asked: &Asked, seen: u64) -> Vec<(u64, String)> {
        let relevant = self.events.iter().filter(|(version, resource, event)| {
            let text = |key: &str| event["object"]["metadata"][key].as_str().unwrap_or_default().to_owned();
            let key = (resource.clone(), text("namespace"), text("name"));
            let is_object = !key.2.is_empty();
            *version > seen && *resource == asked.resource && (!is_object || asked.covers(&key))
        });
        relevant.map(|(version, _, event)| (*version, event.to_string())).collect()
    }
}

impl Asked {
    fn covers(&self, (resource, namespace, name): &Key) -> bool {
        let named =
            self.of("fieldSelector").is_none_or(|selector| selector == format!("metadata.name={name}"));
        *resource == self.resource && self.namespace.as_ref().is_none_or(|only| only == namespace) && named
    }
}

/// `GET /apis/GROUP/VERSION/[namespaces/NS/]RESOURCE?..` or `PATCH /apis/GROUP/VERSION/[namespaces/NS/]RESOURCE/NAME[/SUBRESOURCE]`.
fn parse(head: &str) -> Asked {
    let (method, rest) = head.split_once(' ').unwrap();
    let target = rest.split(' ').next().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, rest) = if parts[0] == "api" { ("", &parts[1..]) } else { (parts[1], &parts[2..]) };
    let (version, rest) = rest.split_first().unwrap();
    let (namespace, rest) = match (method, rest) {
        ("GET", ["namespaces", namespace, rest @ ..]) if !rest.is_empty() => (Some(*namespace), rest),
        ("PATCH", ["namespaces", namespace, rest @ ..]) if rest.len() > 1 => (Some(*namespace), rest),
        (_, rest) => (None, rest),
    };
    let (resource, name) = match (method, rest) {
        ("GET", [resource]) => ((*resource).to_owned(), None),
        ("PATCH", [resource, name]) => ((*resource).to_owned(), Some((*name).to_owned())),
        ("PATCH", [resource, name, part]) => (format!("{resource}/{part}"), Some((*name).to_owned())),
        other => panic!("{other:?}"),
    };
    let plain = |text: &str| text.replace("%3D", "=").replace("%40", "@");
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(key, value)| (key.to_owned(), plain(value))).collect();
    Asked {
        group: group.to_owned(),
        version: (*version).to_owned(),
        resource,
        namespace: namespace.map(str::to_owned),
        name,
        query,
        patch: None,
        strategic: false,
    }
}

/// Of a request that has a body: its length, and whether it is a strategic merge patch. No other bodies are known.
fn body_of(head: &str) -> Option<(usize, bool)> {
    let value = |name: &str| {
        let (_, value) = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.trim().to_owned())
    };
    let length = value("content-length")?.parse().unwrap();
    match value("content-type").as_deref() {
        Some("application/merge-patch+json") => Some((length, false)),
        Some("application/strategic-merge-patch+json") => Some((length, true)),
        other => panic!("a body of {other:?}"),
    }
}

/// RFC 7396 section 2; of a strategic merge patch, conditions are merged one by one.
fn merge(target: &mut Value, patch: &Value, strategic: bool) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.as_object_mut().unwrap().remove(key)),
            Value::Array(items) if strategic && key == "conditions" => {
                merge_conditions(&mut target[key.as_str()], items);
            }
            value => merge(&mut target[key.as_str()], value, strategic),
        }
    }
}

/// The key of the list is `type` (patchMergeKey in core/v1); `$patch: delete` takes an item away.
fn merge_conditions(target: &mut Value, items: &[Value]) {
    if !target.is_array() {
        *target = json!([]);
    }
    let list = target.as_array_mut().unwrap();
    for item in items {
        let place = list.iter().position(|held| held["type"] == item["type"]);
        match (place, item["$patch"] == "delete") {
            (Some(place), true) => drop(list.remove(place)),
            (Some(place), false) => merge(&mut list[place], item, true),
            (None, true) => {}
            (None, false) => list.push(item.clone()),
        }
    }
}
