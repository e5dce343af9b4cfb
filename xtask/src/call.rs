//! A command line as a value: printed before it runs, and what is printed can be pasted into a shell.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};

use crate::workspace::Workspace;

/// A program, its arguments, and what differs from this process' surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Call {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
    tag: String,
}

impl Call {
    pub(crate) fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().to_string_lossy().into_owned();
        Self { program, args: Vec::new(), env: Vec::new(), dir: None, tag: String::new() }
    }

    /// Splits `line` at blanks; there is no quoting.
    pub(crate) fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let call = Self::new(words.next().unwrap_or_default());
        words.fold(call, Self::arg)
    }

    /// Has `wrapper`, a command line that ends where another begins, run this one.
    pub(crate) fn under(self, wrapper: &str) -> Self {
        let mut call = Self { env: self.env, dir: self.dir, tag: self.tag, ..Self::parse(wrapper) };
        call.args.push(self.program);
        call.args.extend(self.args);
        call
    }

    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn args<'a>(mut self, args: impl IntoIterator<Item = &'a &'a str>) -> Self {
        self.args.extend(args.into_iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs in `dir` rather than in the root of the workspace.
    pub(crate) fn in_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Has [`listen`](Self::listen) show each line behind this word, for programs that run at the same time.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        self.tag = format!("{tag}| ");
        self
    }

    /// Runs it with this process' input and output; an exit status other than 0 is an error.
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        println!("$ {self}");
        let status = self.command(workspace).status().with_context(|| format!("cannot start `{self}`"))?;
        self.succeeded(status)
    }

    /// Like [`run`](Self::run), and returns every line that was written to either output.
    pub(crate) fn listen(&self, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
        println!("$ {self}");
        let mut command = self.command(workspace);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{self}`"))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let lines = std::thread::scope(|scope| {
            let err = scope.spawn(|| tee(err, std::io::stderr(), &self.tag));
            let mut lines = tee(out, std::io::stdout(), &self.tag);
            lines.extend(err.join().unwrap_or_default());
            lines
        });
        self.succeeded(child.wait()?)?;
        Ok(lines)
    }

    /// Like [`listen`](Self::listen), but what was written is shown only if it failed.
    pub(crate) fn overhear(&self, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
        println!("$ {self}");
        let output = self.command(workspace).output().with_context(|| format!("cannot start `{self}`"))?;
        let text = [output.stdout, output.stderr].concat();
        let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        if !output.status.success() {
            lines.iter().for_each(|line| println!("{line}"));
        }
        self.succeeded(output.status)?;
        Ok(lines)
    }

    /// What it printed, or nothing when it cannot be started or fails.
    pub(crate) fn ask(&self, workspace: &Workspace) -> Option<String> {
        let output = self.command(workspace).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, workspace: &Workspace) -> Command {
        let mut command = Command::new(self.executable());
        command.args(&self.args).current_dir(self.dir.as_deref().unwrap_or(workspace.root()));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Cargo is the cargo that started us, wherever it is.
    fn executable(&self) -> OsString {
        match std::env::var_os("CARGO") {
            Some(cargo) if self.program == "cargo" => cargo,
            _ => self.program.clone().into(),
        }
    }

    fn succeeded(&self, status: ExitStatus) -> anyhow::Result<()> {
        if !status.success() {
            bail!("`{self}` failed ({status})");
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

fn quoted(word: &str) -> String {
    match word.contains(char::is_whitespace) || word.is_empty() {
        true => format!("'{word}'"),
        false => word.to_owned(),
    }
}

/// Passes lines on as they come, and keeps them.
fn tee(from: Option<impl Read>, mut to: impl Write, tag: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(from) = from else { return lines };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
        // A reader that went away (a closed pipe) is no reason to lose the result.
        let _ = to.write_all(&[tag.as_bytes(), &line].concat()).and_then(|()| to.flush());
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}
