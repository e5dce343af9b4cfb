//! Load: a closed loop of 100 queries on 8 sockets, in batches, without sleeping. Every answer is compared with its question.

use std::{
    fmt, fs,
    io::{IoSlice, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use super::Failure;

const SOCKETS: usize = 8;
const WINDOW: usize = 13;
const WARM_UP: Duration = Duration::from_millis(300);
/// Nothing for so long: what is open is lost.
const LOST: Duration = Duration::from_millis(300);

/// What a server did under load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    /// Microseconds of processor time a query.
    pub(super) cpu: f64,
    rate: f64,
    average: f64,
    p99: f64,
    lost: usize,
    wrong: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, rate, average, p99, lost, wrong } = self;
        write!(f, "{cpu:.2} | {rate:.0} | {average:.0} | {p99:.0} | {lost} lost {wrong} wrong")
    }
}

struct Client<'q> {
    socket: UdpSocket,
    queries: &'q [Vec<u8>],
    next: usize,
    /// By id: number of the query and when it was sent.
    open: Vec<Option<(usize, Instant)>>,
    outstanding: usize,
    id: u16,
    receive: MultiHeaders<SockaddrStorage>,
    send: MultiHeaders<SockaddrStorage>,
    buffers: Vec<u8>,
    latencies: Vec<f32>,
    wrong: usize,
}

impl<'q> Client<'q> {
    fn new(server: SocketAddr, queries: &'q [Vec<u8>], first: usize) -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        let [receive, send] = [(); 2].map(|()| MultiHeaders::preallocate(WINDOW, None));
        Ok(Self {
            socket,
            queries,
            next: first,
            open: vec![None; 65_536],
            outstanding: 0,
            id: 0,
            receive,
            send,
            buffers: vec![0; WINDOW * 2048],
            latencies: Vec::new(),
            wrong: 0,
        })
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let (room, now) = (WINDOW - self.outstanding, Instant::now());
        if room == 0 {
            return Ok(());
        }
        let messages: Vec<Vec<u8>> = (0..room)
            .map(|_| {
                self.id = self.id.wrapping_add(1);
                self.next = (self.next + 1) % self.queries.len();
                self.open[usize::from(self.id)] = Some((self.next, now));
                let mut message = self.queries[self.next].clone();
                message[..2].copy_from_slice(&self.id.to_be_bytes());
                message
            })
            .collect();
        let parts: Vec<[IoSlice<'_>; 1]> = messages.iter().map(|message| [IoSlice::new(message)]).collect();
        let none: Vec<Option<SockaddrStorage>> = vec![None; room];
        let sent = sendmmsg(self.socket.as_raw_fd(), &mut self.send, &parts, &none, [], MsgFlags::empty())?;
        assert_eq!(sent.count(), room, "the kernel takes all");
        self.outstanding += room;
        Ok(())
    }

    fn drain(&mut self) -> Result<bool, Failure> {
        let mut parts: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.chunks_exact_mut(2048).map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let fd = self.socket.as_raw_fd();
        let lengths: Vec<usize> =
            match recvmmsg(fd, &mut self.receive, parts.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
                Ok(messages) => messages.map(|message| message.bytes).collect(),
                Err(nix::Error::EAGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
        let now = Instant::now();
        for (reply, length) in self.buffers.chunks_exact(2048).zip(lengths) {
            let reply = &reply[..length];
            let id = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
            let Some((query, sent)) = self.open[id].take() else { continue };
            let question = &self.queries[query][12..];
            self.wrong += usize::from(
                reply.len() < 12 + question.len()
                    || reply[12..12 + question.len()] != *question
                    || reply[2] & 0x80 == 0
                    || ![0, 3].contains(&(reply[3] & 15)),
            );
            self.latencies.push((now - sent).as_secs_f32() * 1e6);
            self.outstanding -= 1;
        }
        Ok(true)
    }
}

/// Loads a server for some time.
pub(super) fn measure(
    server: SocketAddr,
    processes: &[u32],
    queries: &[Vec<u8>],
    time: Duration,
) -> Result<Figures, Failure> {
    let mut clients = (0..SOCKETS)
        .map(|number| Client::new(server, queries, number * queries.len() / SOCKETS))
        .collect::<Result<Vec<_>, _>>()?;
    let mut lost = run(&mut clients, WARM_UP)?;
    for client in &mut clients {
        client.latencies.clear();
    }
    let (cpu, start) = (processor_seconds(processes), Instant::now());
    lost += run(&mut clients, time)?;
    let (cpu, elapsed) = (processor_seconds(processes) - cpu, start.elapsed().as_secs_f64());
    let wrong = clients.iter().map(|client| client.wrong).sum();
    let mut latencies: Vec<f32> = clients.into_iter().flat_map(|client| client.latencies).collect();
    latencies.sort_by(f32::total_cmp);
    let count = latencies.len() as f64;
    Ok(Figures {
        cpu: cpu / count * 1e6,
        rate: count / elapsed,
        average: latencies.iter().map(|latency| f64::from(*latency)).sum::<f64>() / count,
        p99: latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default().into(),
        lost,
        wrong,
    })
}

fn run(clients: &mut [Client<'_>], time: Duration) -> Result<usize, Failure> {
    let (start, mut last, mut lost) = (Instant::now(), Instant::now(), 0);
    while start.elapsed() < time {
        for client in &mut *clients {
            client.fill()?;
            if client.drain()? {
                last = Instant::now();
            }
        }
        if last.elapsed() > LOST {
            for client in &mut *clients {
                lost += std::mem::take(&mut client.outstanding);
                client.open.fill(None);
            }
            last = Instant::now();
        }
    }
    Ok(lost)
}

/// What all threads of the processes have used.
fn processor_seconds(processes: &[u32]) -> f64 {
    let tasks = processes
        .iter()
        .flat_map(|process| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten());
    let statistics = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    statistics.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}
