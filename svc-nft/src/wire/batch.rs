//! A batch as messages between a begin and an end.

use std::borrow::Cow;

use super::{attr::Writer, chain, message, rule, set, statement::LONG_INTERFACE, table, uapi::*};
use crate::{Batch, Command, Elements, Error, Object, Value, Verb, elements::List};

/// Where a message of the batch came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The number of the command.
    pub command: usize,
    /// Of a message with elements, which.
    pub(crate) part: Option<Part>,
}

/// Some elements of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only what a kernel refuses is looked for"))]
pub(crate) struct Part {
    /// The number of the first.
    first: usize,
    /// Where in the message the list of them begins.
    at: usize,
    /// Which list of the batch that is.
    list: usize,
}

/// A batch in its netlink form. Elements stay where the batch has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// Everything but lists of elements.
    frame: Vec<u8>,
    /// Lists of elements, and before which byte of the frame each belongs.
    lists: Vec<(usize, Cow<'a, [u8]>)>,
    messages: Vec<Message>,
}

impl Encoded<'_> {
    /// What to send at once, in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.lists.iter().map(|(at, list)| (*at, &**list));
        let mut from = 0;
        let pieces = ends.chain([(self.frame.len(), &[][..])]).flat_map(move |(to, list)| {
            let frame = self.frame.get(from..to).unwrap_or_default();
            from = to;
            [frame, list]
        });
        pieces.filter(|piece| !piece.is_empty())
    }

    /// The same in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.pieces().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frame.len() + self.lists.iter().map(|(_, list)| list.len()).sum::<usize>()
    }

    /// Never: a batch has a begin and an end. Here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

    /// The number of the element at this offset of a message.
    #[cfg(feature = "netlink")]
    pub(crate) fn element_at(&self, message: &Message, offset: usize) -> Option<usize> {
        let part = message.part?;
        let (_, list) = self.lists.get(part.list)?;
        // Attributes begin at multiples of four: two bytes more are of the same element, and tell its length.
        let within = offset.checked_sub(part.at)? + 2;
        let before = super::element::count(list.get(..within).unwrap_or(list));
        Some(part.first + before.checked_sub(1)?)
    }
}

impl Batch {
    /// The batch in its netlink form. The kernel is asked to acknowledge the last message.
    ///
    /// # Errors
    ///
    /// A command that has no netlink form, by number and name.
    pub fn encode(&self) -> Result<Encoded<'_>, Error> {
        self.encode_at(None)
    }

    /// The same, to be refused unless the rule set is at this generation.
    pub(crate) fn encode_at(&self, generation: Option<u32>) -> Result<Encoded<'_>, Error> {
        let mut encoder = Encoder::default();
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

#[derive(Default)]
struct Encoder<'a> {
    writer: Writer,
    lists: Vec<(usize, Cow<'a, [u8]>)>,
    messages: Vec<Message>,
    /// Where the last message begins.
    last: usize,
}

impl<'a> Encoder<'a> {
    fn command(&mut self, index: usize, command: &'a Command) -> Result<(), Error> {
        if let Object::Elements(elements) = &command.object {
            return self.elements(index, command, elements);
        }
        let mut written = Ok(());
        self.message(index, command, |writer| {
            written = attributes(writer, command, index);
        });
        written.map_err(|problem| Error::unsendable(index, command, problem.0))
    }

    fn message(&mut self, index: usize, command: &Command, attributes: impl FnOnce(&mut Writer)) {
        self.messages.push(Message { command: index, part: None });
        let sequence = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        self.last = self.writer.len();
        let (kind, flags) = kind_and_flags(command);
        message::write(&mut self.writer, kind, flags, sequence, Some(command.table.family()), attributes);
    }

    /// As many messages as it takes.
    fn elements(&mut self, index: usize, command: &Command, elements: &'a Elements) -> Result<(), Error> {
        let others = elements.others();
        if !others.iter().flat_map(|element| element.key().parts()).all(Value::is_sendable) {
            return Err(Error::unsendable(index, command, LONG_INTERFACE.0));
        }
        let mut first = 0;
        for list in elements.lists() {
            self.list(index, command, (elements, first), Cow::Borrowed(list.bytes()));
            first += list.len();
        }
        let mut lists = Vec::new();
        others.iter().for_each(|element| List::put(&mut lists, elements.set(), element));
        for list in lists {
            let len = list.len();
            self.list(index, command, (elements, first), Cow::Owned(list.into_bytes()));
            first += len;
        }
        Ok(())
    }

    /// A message with a list that begins with element `first`.
    fn list(
        &mut self,
        index: usize,
        command: &Command,
        (elements, first): (&Elements, usize),
        list: Cow<'a, [u8]>,
    ) {
        self.message(index, command, |writer| {
            writer.text(NFTA_SET_ELEM_LIST_TABLE, command.table.name());
            writer.text(NFTA_SET_ELEM_LIST_SET, elements.set().name());
            writer.head(NFTA_SET_ELEM_LIST_ELEMENTS, list.len());
        });
        let head = self.writer.len() - self.last;
        message::set_len(&mut self.writer, self.last, head + list.len());
        if let Some(message) = self.messages.last_mut() {
            message.part = Some(Part { first, at: head, list: self.lists.len() });
        }
        self.lists.push((self.writer.len(), list));
    }

    fn finish(mut self) -> Encoded<'a> {
        if !self.messages.is_empty() {
            self.writer.or_u16(self.last + message::FLAGS_AT, NLM_F_ACK);
        }
        let sequence = u32::try_from(self.messages.len() + 1).unwrap_or(u32::MAX);
        message::write_batch(&mut self.writer, NFNL_MSG_BATCH_END, sequence, |_| {});
        Encoded { frame: self.writer.into_bytes(), lists: self.lists, messages: self.messages }
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
        Object::Elements(_) => [NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM, NFT_MSG_DESTROYSETELEM],
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
        Object::Elements(_) => {}
    }
    Ok(())
}
