//! The access log in a file, written by a thread of its own.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::Context as _;
use clap::ValueEnum;
use svc_ingress::access_log::{AccessLog, Format, LogReader, LogSender};

/// How the lines of the access log look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// As ingress-nginx writes them by default.
    Nginx,
    /// A JSON object for each.
    Json,
}

/// An access log that is being written.
pub(super) struct Log {
    pub(super) sender: LogSender,
    writer: JoinHandle<()>,
}

impl Log {
    /// Waits until everything is written; the server has to be gone.
    pub(super) fn finish(self) {
        drop(self.sender);
        // A fault of the writer has been told already.
        let _ = self.writer.join();
    }
}

/// The log in a file, or on standard output if it is `-`.
pub(super) fn open(file: &Path, format: LogFormat, sample: u32) -> anyhow::Result<Log> {
    let format = match format {
        LogFormat::Nginx => Format::Nginx,
        LogFormat::Json => Format::Json,
    };
    let (sender, lines) = AccessLog::new().format(format).sample(sample).channel();
    let out: Box<dyn Write + Send> = if file == Path::new("-") {
        Box::new(io::stdout())
    } else {
        let opened = OpenOptions::new().create(true).append(true).open(file);
        Box::new(opened.with_context(|| format!("the access log {}", file.display()))?)
    };
    let name = file.display().to_string();
    let writer = thread::Builder::new().name("access-log".to_owned());
    Ok(Log { sender, writer: writer.spawn(move || write(lines, out, &name))? })
}

fn write(mut lines: LogReader, mut out: Box<dyn Write + Send>, name: &str) {
    let mut lost = 0;
    while let Some(text) = lines.blocking_next() {
        if let Err(error) = out.write_all(&text).and_then(|()| out.flush()) {
            eprintln!("error: access log {name}: {error}: lines are lost");
        }
        if lines.lost() > lost {
            eprintln!(
                "error: access log {name}: {} lines came faster than they could be written",
                lines.lost() - lost
            );
            lost = lines.lost();
        }
    }
}
