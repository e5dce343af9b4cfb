//! The cell of the store, where writers and watchers meet, in every order in which threads can meet there (loom).
#![allow(missing_docs, reason = "a test")]

use loom::future::block_on;
use std::future::poll_fn;
use std::task::Poll;

/// The same source, upon loom's primitives.
#[path = "../src/store/cell.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store uses all of it")]
mod cell;

mod sync {
    pub(super) use loom::sync::{Arc, Mutex, MutexGuard};
}

use cell::{Gone, Receiver, Sender};
use loom::sync::Arc;
use loom::thread;

/// Every order with up to three preemptions.
fn model(threads: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(threads);
}

/// What a watcher sees until nothing more comes: each time the newest that is greater than what it saw.
fn watch(mut receiver: Receiver<u32>) -> Vec<u32> {
    let mut seen = vec![0];
    block_on(async {
        loop {
            let last = seen[seen.len() - 1];
            match poll_fn(|cx| receiver.poll(cx, |value| *value > last)).await {
                Ok(value) => seen.push(value),
                Err(Gone) => return seen,
            }
        }
    })
}

#[test]
fn a_watcher_goes_forwards_and_sees_the_last_value() {
    model(|| {
        let sender = Sender::new(0);
        let receiver = sender.subscribe();
        let writer = thread::spawn(move || {
            for value in 1..=2 {
                sender.update(|_| (Some(value), ()));
            }
        });
        let seen = watch(receiver);
        assert!(seen.is_sorted() && seen.last() == Some(&2), "{seen:?}");
        writer.join().unwrap();
    });
}

#[test]
fn no_change_of_two_writers_is_lost() {
    model(|| {
        let sender = Arc::new(Sender::new(0));
        let receiver = sender.subscribe();
        let other = Arc::clone(&sender);
        let writer = thread::spawn(move || other.update(|value| (Some(value + 1), ())));
        sender.update(|value| (Some(value + 1), ()));
        drop(sender);
        let seen = watch(receiver);
        assert_eq!(seen.last(), Some(&2), "{seen:?}");
        writer.join().unwrap();
    });
}

#[test]
fn watchers_come_and_go_while_values_come() {
    model(|| {
        let sender = Sender::new(0);
        let (first, second) = (sender.subscribe(), sender.subscribe());
        let leaving = thread::spawn(move || {
            let mut second = second;
            let looked = block_on(poll_fn(|cx| Poll::Ready(second.poll(cx, |value| *value > 1))));
            drop((looked, second));
        });
        let watching = thread::spawn(move || assert_eq!(watch(first).last(), Some(&1)));
        sender.update(|_| (Some(1), ()));
        drop(sender);
        leaving.join().unwrap();
        watching.join().unwrap();
    });
}
