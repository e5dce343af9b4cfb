//! What a trace cannot tell.

/// Something in the rules that the walk does not understand, or that cannot be there in a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table}, chain {chain}, rule {rule}: `{expression}`: {cause}")]
pub struct TraceError {
    pub(crate) table: String,
    pub(crate) chain: String,
    pub(crate) rule: usize,
    pub(crate) expression: String,
    pub(crate) cause: String,
}

impl TraceError {
    /// The table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// Which rule of the chain, from 1.
    #[must_use]
    pub fn rule(&self) -> usize {
        self.rule
    }

    /// The expression, as the back end's tool writes it.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// What is wrong with it.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }
}
