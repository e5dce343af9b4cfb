//! Servers behind the router: they say who they are, and remember what they were asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// One that answers every request with its own name, the method and the target. It goes with the test's process.
pub(crate) struct Backend {
    address: SocketAddr,
    last: Arc<Mutex<Asked>>,
}

/// A request's head.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    lines: Vec<String>,
}

impl Asked {
    /// A field by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.lines.iter().filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

impl Backend {
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let last = Arc::new(Mutex::new(Asked::default()));
        let seen = Arc::clone(&last);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                spawn(move || answer(name, &stream, &seen));
            }
        });
        Self { address, last }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn last_request(&self) -> Asked {
        self.last.lock().unwrap().clone()
    }
}

fn answer(name: &str, stream: &TcpStream, seen: &Mutex<Asked>) {
    let mut lines = BufReader::new(stream).lines();
    let mut head = Asked::default();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            head.lines.push(line);
            continue;
        }
        let asked = std::mem::take(&mut head);
        let first = asked.lines[0].trim_end_matches(" HTTP/1.1").to_owned();
        *seen.lock().unwrap() = asked;
        let body = format!("{name} {first}\n");
        let mut writer = stream;
        if write!(writer, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).is_err() {
            return;
        }
    }
}
