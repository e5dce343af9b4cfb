//! A batch as messages between a begin and an end.

use super::{attr::Writer, chain, element, message, rule, set, statement::LONG_INTERFACE, table, uapi::*};
use crate::{Batch, Command, Element, Error, Object, Set, Value, Verb};

/// How many elements go into one message at most; and how many bytes, for the length of their list is told in 16 bits.
const ELEMENTS: usize = 400;
const ELEMENT_BYTES: usize = 60_000;

/// Where a message of the batch came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The number of the command.
    pub command: usize,
    /// The number of the first of the command's elements that are in this message.
    pub(crate) first: usize,
    /// Where in the message each of them begins.
    pub(crate) starts: Vec<u32>,
}

impl Message {
    /// The number of the element at this offset of the message.
    #[cfg(feature = "netlink")]
    pub(crate) fn element_at(&self, offset: usize) -> Option<usize> {
        let offset = u32::try_from(offset).ok()?;
        let after = self.starts.partition_point(|start| *start <= offset);
        Some(self.first + after.checked_sub(1)?)
    }
}

/// A batch in its netlink form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    bytes: Vec<u8>,
    messages: Vec<Message>,
}

impl Encoded {
    /// What to send, in one piece.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each message came from: message `n` has the sequence number `n + 1`; 0 is the begin of the batch.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The message with this sequence number.
    #[cfg(feature = "netlink")]
    pub(crate) fn message(&self, sequence: u32) -> Option<&Message> {
        self.messages.get(usize::try_from(sequence).ok()?.checked_sub(1)?)
    }
}

impl Batch {
    /// The batch in its netlink form. The kernel is asked to acknowledge the last message.
    ///
    /// # Errors
    ///
    /// A command that has no netlink form, by number and name.
    pub fn encode(&self) -> Result<Encoded, Error> {
        self.encode_at(None)
    }

    /// The same, to be refused unless the rule set is at this generation.
    pub(crate) fn encode_at(&self, generation: Option<u32>) -> Result<Encoded, Error> {
        let writer = Writer::with_capacity(self.commands().iter().map(likely_bytes).sum());
        let mut encoder = Encoder { writer, messages: Vec::new(), last: 0 };
        message::write_batch(&mut encoder.writer, NFNL_MSG_BATCH_BEGIN, 0, |writer| {
            if let Some(generation) = generation {
                writer.be32(NFNL_BATCH_GENID, generation);
            }
        });
        for (index, command) in self.commands().iter().enumerate() {
            encoder.command(index, command)?;
        }
        Ok(encoder.finish())
    }
}

/// About how long the netlink form of a command is: bytes that have to move while they grow are there twice.
fn likely_bytes(command: &Command) -> usize {
    match &command.object {
        Object::Elements { elements, .. } => 64 + 72 * elements.len(),
        _ => 256,
    }
}

struct Encoder {
    writer: Writer,
    messages: Vec<Message>,
    last: usize,
}

impl Encoder {
    fn command(&mut self, index: usize, command: &Command) -> Result<(), Error> {
        if let Object::Elements { set, elements } = &command.object {
            return self.elements(index, command, set, elements);
        }
        let mut written = Ok(());
        self.message(index, command, |writer| {
            written = attributes(writer, command, index);
        });
        written.map_err(|problem| Error::unsendable(index, command, problem.0))
    }

    fn message(&mut self, index: usize, command: &Command, attributes: impl FnOnce(&mut Writer)) {
        self.messages.push(Message { command: index, first: 0, starts: Vec::new() });
        let sequence = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        self.last = self.writer.len();
        let (kind, flags) = kind_and_flags(command);
        message::write(&mut self.writer, kind, flags, sequence, Some(command.table.family()), attributes);
    }

    /// Splits the elements over as many messages as they need.
    fn elements(
        &mut self,
        index: usize,
        command: &Command,
        set: &Set,
        elements: &[Element],
    ) -> Result<(), Error> {
        if !elements.iter().flat_map(|element| element.key().parts()).all(Value::is_sendable) {
            return Err(Error::unsendable(index, command, LONG_INTERFACE.0));
        }
        let mut from = 0;
        while from < elements.len() {
            let start = self.writer.len();
            let mut starts = Vec::with_capacity((elements.len() - from).min(ELEMENTS));
            self.message(index, command, |writer| {
                writer.text(NFTA_SET_ELEM_LIST_TABLE, command.table.name());
                writer.text(NFTA_SET_ELEM_LIST_SET, set.name());
                writer.nested(NFTA_SET_ELEM_LIST_ELEMENTS, |writer| {
                    for element in &elements[from..] {
                        if starts.len() >= ELEMENTS || writer.len() - start > ELEMENT_BYTES {
                            break;
                        }
                        starts.push(u32::try_from(writer.len() - start).unwrap_or(u32::MAX));
                        element::write(writer, set, element);
                    }
                });
            });
            let first = from;
            from += starts.len();
            if let Some(message) = self.messages.last_mut() {
                (message.first, message.starts) = (first, starts);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Encoded {
        if !self.messages.is_empty() {
            self.writer.or_u16(self.last + message::FLAGS_AT, NLM_F_ACK);
        }
        let sequence = u32::try_from(self.messages.len() + 1).unwrap_or(u32::MAX);
        message::write_batch(&mut self.writer, NFNL_MSG_BATCH_END, sequence, |_| {});
        Encoded { bytes: self.writer.into_bytes(), messages: self.messages }
    }
}

fn kind_and_flags(command: &Command) -> (u16, u16) {
    let kinds = match command.object {
        Object::Table(_) if command.verb == Verb::Flush => [NFT_MSG_DELRULE; 3],
        Object::Chain(_) if command.verb == Verb::Flush => [NFT_MSG_DELRULE; 3],
        Object::Set(_) if command.verb == Verb::Flush => [NFT_MSG_DELSETELEM; 3],
        Object::Table(_) => [NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_DESTROYTABLE],
        Object::Chain(_) => [NFT_MSG_NEWCHAIN, NFT_MSG_DELCHAIN, NFT_MSG_DESTROYCHAIN],
        Object::Set(_) => [NFT_MSG_NEWSET, NFT_MSG_DELSET, NFT_MSG_DESTROYSET],
        Object::Rule { .. } => [NFT_MSG_NEWRULE, NFT_MSG_DELRULE, NFT_MSG_DESTROYRULE],
        Object::Elements { .. } => [NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_DESTROYSETELEM],
    };
    let rule = matches!(command.object, Object::Rule { .. });
    match command.verb {
        Verb::Add if rule => (kinds[0], NLM_F_CREATE | NLM_F_APPEND),
        Verb::Add | Verb::Insert => (kinds[0], NLM_F_CREATE),
        Verb::Create => (kinds[0], NLM_F_CREATE | NLM_F_EXCL),
        Verb::Replace => (kinds[0], NLM_F_REPLACE),
        Verb::Delete | Verb::Flush => (kinds[1], 0),
        Verb::Destroy => (kinds[2], 0),
    }
}

fn attributes(
    writer: &mut Writer,
    command: &Command,
    index: usize,
) -> Result<(), super::statement::Unsendable> {
    let declares = matches!(command.verb, Verb::Add | Verb::Create | Verb::Insert | Verb::Replace);
    let name = command.table.name();
    match &command.object {
        Object::Table(_) if command.verb == Verb::Flush => writer.text(NFTA_RULE_TABLE, name),
        Object::Chain(chain) if command.verb == Verb::Flush => {
            writer.text(NFTA_RULE_TABLE, name);
            writer.text(NFTA_RULE_CHAIN, chain.name());
        }
        Object::Set(set) if command.verb == Verb::Flush => {
            writer.text(NFTA_SET_ELEM_LIST_TABLE, name);
            writer.text(NFTA_SET_ELEM_LIST_SET, set.name());
        }
        Object::Table(comment) => {
            writer.text(NFTA_TABLE_NAME, name);
            if declares {
                table::write(writer, comment.as_deref());
            }
        }
        Object::Chain(header) => {
            writer.text(NFTA_CHAIN_TABLE, name);
            writer.text(NFTA_CHAIN_NAME, header.name());
            if declares {
                chain::write(writer, header);
            }
        }
        Object::Set(header) => {
            writer.text(NFTA_SET_TABLE, name);
            writer.text(NFTA_SET_NAME, header.name());
            if declares {
                set::write(writer, header, u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
        Object::Rule { chain, rule, handle } => {
            writer.text(NFTA_RULE_TABLE, name);
            writer.text(NFTA_RULE_CHAIN, chain);
            if let Some(handle) = handle {
                writer.be64(NFTA_RULE_HANDLE, *handle);
            }
            if declares {
                rule::write(writer, command.table.family(), rule)?;
            }
        }
        Object::Elements { .. } => {}
    }
    Ok(())
}
